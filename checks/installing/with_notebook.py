"""What `pip install 'faltung[notebook]'` promises: the playground as a widget."""

from __future__ import annotations

from faltung.widget import Playground

playground = Playground("conv2d(1, 1, 3, stride=2)", input_size=[7, 7])
assert playground.output_size == (3, 3)
playground.state = {"kernel_size": [5, 5], "input_size": [7, 7]}
assert playground.output_size == (3, 3)
assert "render" in playground._esm
