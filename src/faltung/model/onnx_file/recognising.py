"""What a file is that is given as a model and is no ONNX file, by its first bytes or its name. Standard library only."""

from __future__ import annotations

__all__ = ["REMEDY", "seems"]

REMEDY = "Give the live module, fl.audit(model, (1, 3, 224, 224)), or an ONNX file: torch.onnx.export(model, (x,), 'model.onnx')."

_PICKLED = "Opening it can run any code that it holds, so it is not opened"
_KERAS = "Its operations cannot be read without Keras"
_WEIGHTS = "It holds weights without the layers that use them"

_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive, as torch.save, TorchScript and .keras files are, with pickled Python objects inside", _PICKLED),
    (b"\x80", "a file of pickled Python objects, as older versions of torch.save write it", _PICKLED),
    (b"\x89HDF", "an HDF5 file, as Keras writes it", _KERAS),
    (b"\x89PNG", "a PNG image", ""),
    (b"\xff\xd8\xff", "a JPEG image", ""),
    (b"GIF8", "a GIF image", ""),
    (b"%PDF", "a PDF document", ""),
    (b"\x1f\x8b", "compressed by gzip", ""),
    (b"\x93NUMPY", "an array of NumPy", ""),
    (b"GGUF", "a GGUF file", ""),
    (b"version https://git-lfs", "a pointer of Git LFS, the file itself was not downloaded", ""),
    (b"\x7fELF", "a program or library", ""),
)
_SUFFIXES = {
    **dict.fromkeys((".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"), ("a file of pickled Python objects by its name", _PICKLED)),
    **dict.fromkeys((".h5", ".hdf5", ".keras"), ("a Keras file by its name", _KERAS)),
    ".safetensors": ("a safetensors file by its name", _WEIGHTS),
    ".tflite": ("a TensorFlow Lite model by its name", ""),
}


def seems(beginning: bytes, suffix: str = "") -> tuple[str, str] | None:
    """What a file is that begins so and is not ONNX, and why it is refused; None where nothing else is recognised.

    >>> seems(b"GIF89a")
    ('a GIF image', '')
    """
    for start, what, why in _BEGINNINGS:
        if beginning.startswith(start):
            return what, why
    if suffix.lower() in _SUFFIXES:
        return _SUFFIXES[suffix.lower()]
    if not beginning:
        return "empty", ""
    if beginning[4:8] == b"TFL3":
        return "a TensorFlow Lite model", ""
    if beginning[4:8] == b"ORTM":
        return "in ONNX Runtime's own format", ""
    if beginning[8:9] == b"{" and int.from_bytes(beginning[:8], "little") < 2**32:
        return "a safetensors file", _WEIGHTS
    text = beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<svg")):
        return "a page of HTML or XML", "A download may have been answered by an error page"
    if text.startswith((b"{", b"[", b"#", b"ir_version")) and not any(byte < 9 for byte in beginning):
        return "text", ""
    return None
