"""What is taken as a model, and what is refused with its reason."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from faltung.errors import ConvError, ConvTypeError
from faltung.model.graph import Graph
from faltung.model.read import graph_of

EMPTY = Graph("nothing", (), (), ())


def test_a_graph_is_itself() -> None:
    assert graph_of(EMPTY) is EMPTY


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> object:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_unopened_whatever_its_name(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    path = tmp_path / "model.onnx"
    path.write_bytes(pickle.dumps(Trap(mark), protocol))
    with pytest.raises(ConvTypeError, match="pickled Python objects") as error:
        graph_of(path)
    assert "torch.onnx.export" in error.value.remedy
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists()  # so the trap is one


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.onnx", b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
        ("a.pth", b"(lp0\n.", "pickled Python objects by its name"),
        ("a.H5", b"", "Keras"),
        ("a.onnx", (30).to_bytes(8, "little") + b'{"weight":{}}' + bytes(30), "safetensors"),
        ("a.safetensors", b"", "safetensors"),
        ("a.onnx", b"\x1c\x00\x00\x00TFL3" + bytes(20), "TensorFlow Lite"),
        ("a.onnx", b"\x1f\x8b\x08" + bytes(20), "compressed"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConvTypeError, match=told):
        graph_of(str(path))


def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.ts"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", b"")
    with pytest.raises(ConvTypeError, match="TorchScript"):
        graph_of(path)


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "resnet50.onnx").write_bytes(b"")
    with pytest.raises(ConvError, match="there is no file") as error:
        graph_of(tmp_path / "resnet5.onnx")
    assert "resnet50.onnx" in error.value.remedy
    with pytest.raises(ConvError, match="is a directory"):
        graph_of(tmp_path)
    with pytest.raises(ConvError, match="cannot be opened"):
        graph_of("a\0b.onnx")
    with pytest.raises(ConvError, match="there is no file"):
        graph_of(tmp_path / "no" / "folder.onnx")


@pytest.mark.parametrize("model", [3, None, object, len, [1], b"model.onnx"])
def test_what_is_no_model(model: object) -> None:
    with pytest.raises(ConvTypeError, match="neither a PyTorch module nor the path"):
        graph_of(model)


def test_a_state_dict_is_no_model() -> None:
    with pytest.raises(ConvTypeError, match="weights without the layers"):
        graph_of({"weight": 1})


def test_pytorch_is_not_imported_for_files() -> None:
    program = """
import sys
from faltung.model.read import graph_of
try:
    graph_of("no.onnx")
except ValueError:
    print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


def test_live_modules_go_to_their_reader() -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.Conv2d(3, 4, 3)
    assert [node.source for node in graph_of(layer, (1, 3, 8, 8)).nodes] == ["Conv2d"]
    assert graph_of(layer, torch.zeros(2, 3, 5, 5)).inputs[0].shape == (2, 3, 5, 5)
    with pytest.raises(ConvTypeError, match="no input was given"):
        graph_of(layer)
