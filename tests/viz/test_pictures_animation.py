"""`Animation`: which file a name asks for, what is refused, and what is left on the disk."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faltung.errors import ConvError, ConvSpecError, ConvTypeError
from faltung.extras import MissingExtraError
from faltung.photo import PhotoError
from faltung.viz.pictures import raster, video
from faltung.viz.pictures.animation import SUFFIXES, Animation
from faltung.viz.pictures.drawing import Drawing, Polygon
from faltung.viz.pictures.files import write_whole
from faltung.viz.pictures.palette import palette
from tests.viz.sample_drawing import sample, square

SAMPLE = sample()
ANIMATION = Animation(SAMPLE)

BEGINNINGS = {".svg": b"<svg ", ".gif": b"GIF89a", ".mp4": b"\x00\x00\x00", ".png": b"\x89PNG\r\n", ".html": b"<!DOCTYPE html>"}


def needs(suffix: str) -> None:
    for module in {".mp4": ("imageio_ffmpeg", "PIL", "matplotlib"), ".gif": ("PIL", "matplotlib"), ".png": ("PIL", "matplotlib")}.get(
        suffix, ()
    ):
        pytest.importorskip(module)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_ending_chooses_the_format_and_the_bytes_are_the_same_each_time(tmp_path: Path, suffix: str) -> None:
    needs(suffix)
    written = [ANIMATION.save(tmp_path / f"{name}{suffix}") for name in ("a", "b")]
    assert written[0].read_bytes() == written[1].read_bytes()
    assert written[0].read_bytes().startswith(BEGINNINGS[suffix])
    upper = ANIMATION.save(str(tmp_path / f"A{suffix.upper()}"))
    assert upper.read_bytes() == written[0].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"a{suffix}", f"b{suffix}", f"A{suffix.upper()}"])


def test_stills_and_sheets(tmp_path: Path) -> None:
    needs(".png")
    assert ANIMATION.save(tmp_path / "a.png", frame=4).read_bytes() == ANIMATION.to_png(4)
    assert ANIMATION.save(tmp_path / "a.png", frame=np.int64(-2)).read_bytes() == ANIMATION.to_png(7)
    assert ANIMATION.save(tmp_path / "a.png").read_bytes() == ANIMATION.to_png(8)
    assert ANIMATION.save(tmp_path / "a.png", frame="all", scale=0.5).read_bytes() == ANIMATION.to_png("all", scale=0.5)
    assert ANIMATION.save(tmp_path / "a.svg", frame=4).read_text("utf-8") == ANIMATION.to_svg(4)


def test_text_files_hold_what_the_methods_return(tmp_path: Path) -> None:
    assert ANIMATION.save(tmp_path / "a.svg", loop=False, scale=2).read_bytes() == ANIMATION.to_svg(loop=False, scale=2).encode()
    assert ANIMATION.save(tmp_path / "a.html", loop=False, scale=2).read_bytes() == ANIMATION.to_html(loop=False, scale=2).encode()


@pytest.mark.parametrize(
    ("path", "options", "error", "words"),
    [
        ("a.webp", {}, ConvSpecError, r"'a.webp' has the ending '.webp'.*\n.*\.svg, \.gif, \.mp4, \.png or \.html"),
        ("gif", {}, ConvSpecError, "has the ending ''"),
        (7, {}, ConvTypeError, "path=7 is a int"),
        ("a.gif", {"frame": 1}, ConvSpecError, r"frame=1 goes with \.svg and \.png, not with \.gif"),
        ("a.svg", {"frame": "all"}, ConvSpecError, r"frame='all' goes with \.png"),
        ("a.svg", {"frame": 9}, ConvSpecError, r"frame=9 does not exist: there are 9"),
        ("a.png", {"frame": -10}, ConvSpecError, r"frame=-10 does not exist"),
        ("a.png", {"frame": "every"}, ConvSpecError, r"frame='every' is not known"),
        ("a.png", {"frame": 1.0}, ConvTypeError, r"frame=1.0 is a float"),
        ("a.svg", {"scale": 0}, ConvSpecError, r"scale=0 is out of bounds.*\n.*0.01 to 100"),
        ("a.html", {"scale": float("nan")}, ConvSpecError, r"scale=nan is out of bounds"),
        ("a.gif", {"scale": "2"}, ConvTypeError, r"scale='2' is a str"),
        ("a.gif", {"scale": True}, ConvTypeError, r"scale=True is a bool"),
        ("missing/a.svg", {}, PhotoError, r"cannot write 'missing/a.svg': there is no folder 'missing'"),
        ("file/a.svg", {}, PhotoError, r"there is no folder 'file'"),
        ("folder.svg", {}, PhotoError, r"'folder.svg' is a folder"),
        ("a" * 300 + ".svg", {}, PhotoError, r"cannot write 'a+.svg': File name too long"),
        ("a\0.svg", {}, PhotoError, r"cannot write .*null"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Any, options: dict[str, Any], error: type[ConvError], words: str
) -> None:
    needs(Path(path).suffix if isinstance(path, str) else "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(error, match=words):
        ANIMATION.save(path, **options)
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["file", "folder.svg"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failure_halfway_keeps_the_file_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    needs(suffix)
    target = tmp_path / f"a{suffix}"
    target.write_text("before")

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(PhotoError, match=r"cannot write .*: No space left on device"):
        ANIMATION.save(target)
    assert [entry.name for entry in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "before"
    monkeypatch.undo()
    assert ANIMATION.save(target).read_bytes().startswith(BEGINNINGS[suffix])


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.svg").write_text("before")
    (tmp_path / "link.svg").symlink_to("real.svg")
    ANIMATION.save(tmp_path / "link.svg")
    assert (tmp_path / "link.svg").is_symlink()
    assert (tmp_path / "real.svg").read_text("utf-8") == ANIMATION.to_svg()


def test_an_encoder_that_fails_says_why(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    pixels = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(video.VideoError, match=r"the encoder failed \(exit status \d+\): .*No such file"):
        video.write_mp4(tmp_path / "missing" / "a.mp4", [pixels], 4, 4, seconds=1, background="#ffffff")


def test_a_frame_that_cannot_be_drawn_ends_the_encoder(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")

    def frames() -> Any:
        yield np.zeros((4, 4, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        video.write_mp4(tmp_path / "a.mp4", frames(), 4, 4, seconds=1, background="#ffffff")


@pytest.mark.parametrize(("suffix", "module", "package"), [(".mp4", "imageio_ffmpeg", "imageio-ffmpeg"), (".gif", "PIL", "Pillow")])
def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, module: str, package: str) -> None:
    needs(suffix)
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Hidden(module), *sys.meta_path])
    with pytest.raises(MissingExtraError, match=rf"needs {package}, which is not installed.\n.*faltung\[plot\]"):
        ANIMATION.save(tmp_path / f"a{suffix}")
    assert not list(tmp_path.iterdir())


class _Hidden:
    """Finds nothing of one package, before anybody else is asked."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_a_missing_font_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    needs(".png")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    raster.font.cache_clear()
    with pytest.raises(MissingExtraError, match=r"needs matplotlib.*\n.*faltung\[plot\]"):
        ANIMATION.to_png(0)


def test_matplotlib_is_not_imported() -> None:
    needs(".png")
    import subprocess

    code = (
        "import sys; from tests.viz.sample_drawing import sample; from faltung.viz.pictures.animation import Animation;"
        "a = Animation(sample()); a.to_svg(); a.to_html(); assert 'PIL' not in sys.modules;"
        "a.to_png(0); assert 'matplotlib' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"palette": "jet"}, "palette='jet' is not known"),
        ({"theme": "sepia"}, "theme='sepia' is not known"),
        ({"seconds_per_frame": 0}, r"seconds_per_frame=0 is out of bounds.*\n.*0.02 to 60"),
        ({"seconds_per_frame": float("inf")}, "seconds_per_frame=inf"),
        ({"drawing": dataclasses.replace(SAMPLE, frames=0, captions=())}, "a drawing of 0 frames"),
        ({"drawing": dataclasses.replace(SAMPLE, captions=("one",))}, "9 frames with 1 captions"),
        ({"drawing": dataclasses.replace(SAMPLE, width=0)}, "0 × 260 has no size"),
        ({"drawing": dataclasses.replace(SAMPLE, height=float("nan"))}, "480 × nan has no size"),
        (
            {"drawing": Drawing(9, 9, (Polygon(square(0, 0), "inputs"),), 1, "", ("",))},
            "role='inputs' is not known.*\n.*Did you mean 'input'",
        ),
    ],
)
def test_animations_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConvSpecError, match=words):
        dataclasses.replace(ANIMATION, **changes)


def test_what_it_says_of_itself() -> None:
    assert repr(ANIMATION) == "Animation('conv2d: 5×5 → 3×3', 9 frames of 480 × 260)"
    assert (ANIMATION.frames, ANIMATION.title) == (9, "conv2d: 5×5 → 3×3")
    assert ANIMATION.captions[4] == "output 4"
    assert Animation(SAMPLE, palette("tol")) == ANIMATION
    assert hash(Animation(sample())) == hash(ANIMATION)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are POSIX's")
def test_no_file_takes_the_place_of_a_pipe(tmp_path: Path) -> None:
    """Nor of a device: /dev/null is everybody's."""
    pipe = tmp_path / "a.svg"
    os.mkfifo(pipe)
    with pytest.raises(PhotoError, match="is a device, a pipe or a socket"):
        write_whole(pipe, lambda part: part.write_text("new"))
    assert pipe.is_fifo()
