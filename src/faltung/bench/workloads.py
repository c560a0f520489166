"""The layers that are timed: a readable table, each with the network it comes from.

Sizes are those of the networks where a call stays under about 50 ms on one core, else cut down, which the
origin says. Every workload is a spec, an input shape, a dtype and a direction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from faltung.errors import ConvError, one_of
from faltung.spec import ConvSpec

__all__ = ["SUITES", "Direction", "Suite", "Workload", "suite"]

Direction = Literal["forward", "input gradient", "weight gradient"]


@dataclass(frozen=True, slots=True)
class Workload:
    """One thing to time.

    Attributes
    ----------
    name : str
        Short, unique in its suite.
    origin : str
        The network or use that it comes from.
    text : str
        The spec, as `ConvSpec.parse` reads it.
    input_shape : tuple of int
        ``(N, C, *size)``.
    dtype : str
    direction : str

    Examples
    --------
    >>> Workload("stem", "ResNet", "conv2d(3, 64, 7, stride=2, padding=3, bias=False)", (1, 3, 224, 224)).macs
    118013952
    """

    name: str
    origin: str
    text: str
    input_shape: tuple[int, ...]
    dtype: str = "float32"
    direction: Direction = "forward"

    @property
    def spec(self) -> ConvSpec:
        """The convolution."""
        return ConvSpec.parse(self.text)

    @property
    def input_size(self) -> tuple[int, ...]:
        """Spatial size of the input."""
        return self.input_shape[2:]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """``(N, out, *output_size)``."""
        return self.spec.output_shape(self.input_shape)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole batch: the same in every direction."""
        return self.input_shape[0] * self.spec.macs(self.input_size)

    @property
    def bytes_moved(self) -> int:
        """Bytes of input, output and weight, each once."""
        return self.spec.memory(self.input_shape, self.dtype).total_bytes


@dataclass(frozen=True, slots=True)
class Suite:
    """Workloads that are timed together, on so many threads (None: as Faltung is set)."""

    name: str
    purpose: str
    workloads: tuple[Workload, ...]
    threads: int | None = None


_RESNET_3X3 = ("conv2d(64, 64, 3, padding=1, bias=False)", (1, 64, 56, 56))
_RESNET_1X1 = ("conv2d(256, 256, 1, bias=False)", (1, 256, 28, 28))

_QUICK = (
    Workload("3×3 64→64 at 56²", "ResNet-18, layer 1", *_RESNET_3X3),
    Workload("1×1 256→256 at 28²", "ResNet bottlenecks", *_RESNET_1X1),
    Workload("7×7/2 3→64 at 224²", "ResNet stem", "conv2d(3, 64, 7, stride=2, padding=3, bias=False)", (1, 3, 224, 224)),
    Workload("3×3 512→512 at 7²", "ResNet-18, layer 4", "conv2d(512, 512, 3, padding=1, bias=False)", (1, 512, 7, 7)),
    Workload("depthwise 3×3 144 at 56²", "MobileNetV2", "conv2d(144, 144, 3, padding=1, groups=144, bias=False)", (1, 144, 56, 56)),
    Workload("depthwise 7×7 96 at 56²", "ConvNeXt-T, stage 1", "conv2d(96, 96, 7, padding=3, groups=96)", (1, 96, 56, 56)),
    Workload("32 groups 128 at 56²", "ResNeXt-50 32×4d", "conv2d(128, 128, 3, padding=1, groups=32, bias=False)", (1, 128, 56, 56)),
    Workload("dilated 3×3 256 at 28²", "DeepLab, layer 3", "conv2d(256, 256, 3, padding=2, dilation=2, bias=False)", (1, 256, 28, 28)),
    Workload("transposed 4×4/2 256→128", "DCGAN", "conv_transpose2d(256, 128, 4, stride=2, padding=1, bias=False)", (1, 256, 16, 16)),
    Workload("1-D dilated causal", "WaveNet, 1 s at 16 kHz", "conv1d(64, 128, 2, padding='causal', dilation=64)", (1, 64, 16000)),
    Workload("3×3×3 64→64", "C3D, cut to 4×28²", "conv3d(64, 64, 3, padding=1)", (1, 64, 4, 28, 28)),
    Workload("picture, 15×15", "image filter on 1080p", "conv2d(1, 1, 15, padding='same', bias=False)", (1, 1, 1080, 1920)),
    Workload(
        "picture, 3×3 reflect",
        "edge filter on 1080p",
        "conv2d(1, 1, 3, padding='same', padding_mode='reflect', bias=False)",
        (1, 1, 1080, 1920),
    ),
    Workload(
        "circular 3×3 64 at 56²", "periodic fields", "conv2d(64, 64, 3, padding=1, padding_mode='circular', bias=False)", (1, 64, 56, 56)
    ),
    Workload("float64 3×3 64 at 28²", "scientific data", "conv2d(64, 64, 3, padding=1, bias=False)", (1, 64, 28, 28), "float64"),
    Workload("tiny 3×3 3→8 at 16²", "the cost of a call", "conv2d(3, 8, 3)", (1, 3, 16, 16)),
    Workload("input gradient 3×3 64", "ResNet-18, layer 1", *_RESNET_3X3, direction="input gradient"),
    Workload("weight gradient 3×3 64", "ResNet-18, layer 1", *_RESNET_3X3, direction="weight gradient"),
)

SUITES: dict[str, Suite] = {
    entry.name: entry
    for entry in (
        Suite("quick", "every kind of convolution, in under a minute", _QUICK),
        Suite("foundation", "two layers against the processor's limit", _QUICK[:2], threads=2),
    )
}


def suite(name: str, workloads: Iterable[str] = ()) -> Suite:
    """The suite called `name`, cut down to those whose name contains one of `workloads`.

    Raises
    ------
    ConvError
        There is no such suite, or nothing in it matches.

    >>> [workload.origin for workload in suite("quick", ["7x7/2"]).workloads]
    ['ResNet stem']
    """
    found = SUITES[one_of("suite", name, SUITES, ConvError)]
    wanted = [_typed(part) for part in workloads]
    if not wanted:
        return found
    kept = tuple(workload for workload in found.workloads if any(part in _typed(workload.name) for part in wanted))
    if not kept:
        names = ", ".join(repr(workload.name) for workload in found.workloads)
        raise ConvError(f"no workload of suite {name!r} contains {' or '.join(map(repr, wanted))}.", f"There are {names}.")
    return replace(found, workloads=kept)


def _typed(name: str) -> str:
    """The name as a keyboard has it."""
    return name.lower().translate(str.maketrans("×→²", "x>2"))
