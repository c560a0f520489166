"""A program as users write it: every type that it says must be the one that mypy and pyright find, in their strict modes."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import faltung as fl
from faltung import identities, ndimage, reference, signal
from faltung.errors import ConvError, ConvShapeError

Numbers = NDArray[Any]


def described() -> fl.ConvSpec:
    spec = fl.ConvSpec(3, 8, (3, 3), stride=2, padding="same_upper")
    assert_type(fl.ConvSpec.parse("conv2d(3, 8, 3)"), fl.ConvSpec)
    assert_type(spec.output_size((9, 9)), tuple[int, ...])
    assert_type(spec.macs((9, 9)), int)
    assert_type(spec.kinds, frozenset[str])
    assert_type(str(spec), str)
    return spec


def computed(spec: fl.ConvSpec) -> Numbers:
    x = np.ones((1, 3, 9, 9), np.float32)
    weight = np.ones(spec.weight_shape, np.float32)
    y: Numbers = fl.conv(spec, x, weight)
    y = fl.conv2d(x, weight, stride=2, padding=1, padding_mode="circular", accuracy="exact")
    y = fl.conv_weight_grad(spec, x, fl.conv(spec, x, weight))
    y = reference.conv(spec, x, weight)
    y = ndimage.gaussian_filter(x, 1.0)
    y = signal.convolve(x[0, 0], weight[0, 0], mode="same")
    plan = fl.plan(spec, x.shape, "float32", threads=1)
    assert_type(plan, fl.Plan)
    assert_type(plan.algorithm, str)
    assert_type(plan.error_bound, float)
    prepared = plan.prepare(weight, activation="relu")
    assert_type(prepared, fl.PreparedConv)
    y = prepared(x)
    assert_type(fl.get_num_threads(), int)
    return y


def seen(spec: fl.ConvSpec) -> str:
    x = np.arange(25).reshape(1, 5, 5)
    told = fl.explain(fl.ConvSpec.parse("conv2d(1, 1, 3)"), x, np.ones((1, 1, 3, 3)))
    assert_type(told, fl.Explanation)
    animation = fl.animate("conv2d(1, 1, 3)", x=x)
    assert_type(animation, fl.Animation)
    flipped = identities.flip(spec, np.ones(spec.weight_shape))
    return f"{told}{flipped}"


def refused() -> str:
    try:
        fl.conv2d(np.ones((1, 2, 3, 3)), np.ones((1, 1, 3, 3)))
    except ConvShapeError as error:
        return str(error)
    except ConvError:
        raise
    return ""


if __name__ == "__main__":
    made = described()
    print(computed(made).shape, len(seen(made)), refused().splitlines()[0])
