"""What `pip install 'faltung[torch]'` promises: PyTorch's functions and layers by the engine, with gradients, and models looked into."""

from __future__ import annotations

import faltung as fl
import faltung.torch as ft
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(2, 4, 9, 9, requires_grad=True)
weight = torch.randn(6, 4, 3, 3, requires_grad=True)
for compute in (ft.conv2d, nn.functional.conv2d):
    compute(x, weight, padding=1).square().sum().backward()
    gradients, x.grad, weight.grad = (x.grad, weight.grad), None, None
    if compute is ft.conv2d:
        ours = gradients
torch.testing.assert_close(ours, gradients, rtol=1e-4, atol=1e-3)
half = torch.randn(1, 4, 9, 9, dtype=torch.bfloat16)
assert ft.conv2d(half, weight.detach().bfloat16()).dtype is torch.bfloat16

model = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1)).eval()
audit = fl.audit(model, (1, 4, 9, 9))
assert audit.totals.parameters == sum(one.numel() for one in model.parameters())
assert tuple(fl.receptive_field(model, "3", input_shape=(1, 4, 9, 9)).size) == (3, 3)
fast, report = ft.accelerate(model, x.detach())
torch.testing.assert_close(fast(x.detach()), model(x.detach()), rtol=1e-4, atol=1e-4)
assert str(report)
