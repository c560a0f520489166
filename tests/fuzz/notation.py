"""Text as a spec."""

from __future__ import annotations

from collections.abc import Iterator

import faltung as fl
from tests.fuzz.draw import Draw

__all__ = ["check", "seeds"]

PIECES = (
    "conv1d(", "conv2d(", "conv3d(", "conv_transpose2d(", "convNd(", "conv(", "correlate(", ")", "(", ",", ", ", "=",
    "1", "2", "3", "16", "-1", "0",
    "stride=", "padding=", "dilation=", "groups=", "bias=", "True", "False", "flip=", "padding_mode=", "output_padding=", "transposed=",
    "'same'", "'full'", "'circular'", "((1, 2), (3, 4))", "(1, 2)", "[3]", "None", "1e3", "1.0", "2**9", "9" * 30,
    "9" * 5000, "nan", "ndim=", "kernel_size=",
    "in_channels=", "\\", "'", '"', "#", "\n", "\0", "é", "lambda: 0", "__import__('os')", "*", "**{}", "((((", "0x10",
    "1_0", "True+1", " ", "-", "j",
)  # fmt: skip


def check(data: bytes) -> None:
    draw = Draw(data)
    if draw.byte() % 2:
        text = draw.rest().decode("utf-8", "surrogateescape")
    else:
        text = draw.one_of(PIECES[:6])
        while not draw.is_empty:
            text += draw.one_of(PIECES)
    try:
        spec = fl.ConvSpec.parse(text)
    except fl.ConvError as error:
        assert len(str(error)) < 2000, len(str(error))
        return
    assert fl.ConvSpec.parse(str(spec)) == spec
    for write in (spec.to_pytorch, spec.to_onnx, spec.to_jax, spec.to_keras):
        try:
            assert write()
        except fl.ConvError:
            continue
    try:
        size = spec.output_size((7,) * spec.ndim)
        assert spec.macs((7,) * spec.ndim) >= 0
        assert all(7 in sizes for sizes in spec.input_sizes(size))
        spec.adjoint((7,) * spec.ndim)
    except fl.ConvError:
        return


def seeds() -> Iterator[bytes]:
    yield b"\1conv2d(3, 64, (7, 7), stride=2, padding=3, bias=False)"
    yield b"\1conv_transpose1d(2, 4, 3, stride=(3,), output_padding=1, padding=((1, 2),))"
    yield b"\1conv3d(4, 8, (1, 2, 3), groups=4, dilation=(1, 2, 1), padding='same', padding_mode='circular', flip=True)"
    yield bytes([0, 1, 13, 9, 13, 9, 14, 9, 18, 13, 7])
