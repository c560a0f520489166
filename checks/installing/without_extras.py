"""What `pip install faltung` alone promises: it computes with every instruction set, its command works, nothing else is needed.

Runs in an environment that holds a wheel and no extra; needs nothing but the package. cibuildwheel runs it on every wheel.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
import tempfile

OPTIONAL = {
    "PIL", "anywidget", "dask", "imageio_ffmpeg", "jax", "matplotlib", "ml_dtypes", "onnx", "onnxruntime", "pandas", "skimage", "starlette",
    "tifffile", "torch", "uvicorn", "xarray", "zarr",
}  # fmt: skip


def computes() -> None:
    """Exact on integers, within the plan's bound on floats, on the instruction set that FALTUNG_ISA names."""
    import numpy as np

    import faltung as fl
    from faltung import ndimage, reference, signal
    from faltung.engine.native import chosen_isa

    random = np.random.default_rng(0)
    layers = (
        ("conv2d(6, 8, 3, padding=1)", (9, 11)),
        ("conv2d(8, 8, 3, stride=2, groups=8, padding='same_upper')", (12, 7)),
        ("conv2d(4, 6, 1)", (5, 5)),
        ("conv1d(3, 5, 9, dilation=2, padding_mode='circular', padding=8)", (40,)),
        ("conv3d(2, 3, (1, 3, 2))", (3, 6, 5)),
        ("conv_transpose2d(4, 6, 4, stride=2, padding=1)", (6, 5)),
    )
    for text, size in layers:
        spec = fl.ConvSpec.parse(text)
        x, weight = (random.integers(-4, 5, shape) for shape in ((2, spec.in_channels, *size), spec.weight_shape))
        for dtype in ("float32", "float64", "int16"):
            got = fl.conv(spec, x.astype(dtype), weight.astype(dtype), accuracy="exact")
            assert np.array_equal(got, reference.conv(spec, x, weight)), (text, dtype)
        real = random.standard_normal(x.shape), random.standard_normal(weight.shape)
        expected, bound = reference.conv(spec, *real), fl.plan(spec, x.shape, "float64").error_bound
        largest = reference.conv(spec, abs(real[0]), abs(real[1])).max()
        assert np.abs(fl.conv(spec, *real) - expected).max() <= (bound + 1e-13) * largest, text
        grad = random.integers(-4, 5, expected.shape)
        assert np.array_equal(fl.conv_weight_grad(spec, x, grad), reference.conv_weight_grad(spec, x, grad)), text
    picture = random.integers(0, 255, (20, 30)).astype(float)
    import scipy.ndimage
    import scipy.signal

    assert np.array_equal(ndimage.sobel(picture), scipy.ndimage.sobel(picture))
    assert np.allclose(signal.convolve2d(picture, picture[:3, :3]), scipy.signal.convolve2d(picture, picture[:3, :3]))
    print(chosen_isa(), end=" ", flush=True)


def imports() -> None:
    """Every module can be imported, or says which extra it needs; importing the package loads none of their packages."""
    import faltung as fl
    from faltung.extras import MissingExtraError

    assert not OPTIONAL & set(sys.modules)
    fl.conv2d([[[1.0, 2.0]]], [[[[1.0]]]])
    assert not OPTIONAL & set(sys.modules)
    without = []
    for found in pkgutil.walk_packages(fl.__path__, "faltung."):
        if found.name.endswith(".__main__"):
            continue
        try:
            importlib.import_module(found.name)
        except MissingExtraError:
            without.append(found.name)
        except ModuleNotFoundError as error:
            # Parts that only a command or a function above them imports, after asking for the extra.
            assert (error.name or "").partition(".")[0] in OPTIONAL, found.name
            without.append(found.name)
    assert not OPTIONAL & set(sys.modules), OPTIONAL & set(sys.modules)
    print(f"{len(without)} modules ask for an extra;", end=" ", flush=True)


def messages() -> None:
    """Whoever asks for more than is installed is told which extra has it."""
    import numpy as np

    import faltung as fl
    from faltung.extras import MissingExtraError

    x = np.ones((1, 1, 3, 3))
    with tempfile.NamedTemporaryFile(suffix=".onnx", delete=False) as file:
        file.write(b"\x08\x08")
        model = file.name
    asked = {
        "plot": lambda: fl.plot_kernels(np.ones((1, 1, 3, 3))),
        "dask": lambda: fl.dask.correlate(x, x),
        "onnx": lambda: fl.audit(model),
        "torch": lambda: importlib.import_module("faltung.torch"),
        "notebook": lambda: importlib.import_module("faltung.widget"),
    }
    for extra, ask in asked.items():
        try:
            ask()
        except MissingExtraError as error:
            assert f"pip install 'faltung[{extra}]'" in str(error), (extra, error)
        else:
            raise AssertionError(f"{extra} is not asked for")
    os.unlink(model)


def runs(*arguments: str, **environment: str) -> str:
    """What a Python process prints; its failure is one here."""
    done = subprocess.run(
        [sys.executable, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def main() -> None:
    """Each check in a process of its own, since what one imports another must not."""
    import faltung as fl
    from faltung.engine.native import available_isas

    for check in ("imports()", "messages()"):
        print(runs("-P", __file__, check), end="")
    for isa in available_isas():
        print(runs("-P", __file__, "computes()", FALTUNG_ISA=isa), end="")
    assert fl.__version__ in runs("-m", "faltung", "--version")
    assert "(1, 64, 112, 112)" in runs("-m", "faltung", "explain", "conv2d(3, 64, 7, stride=2, padding=3)", "--input", "224x224")
    assert "winograd" in runs("-m", "faltung", "plan", "conv2d(64, 64, 3, padding=1)", "--input", "56x56")
    print("and the command: as promised")


if __name__ == "__main__":
    checks = {"imports()": imports, "messages()": messages, "computes()": computes}
    checks.get(" ".join(sys.argv[1:]), main)()
