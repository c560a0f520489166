"""Drawings as pixels, GIF and MP4: colours at known points, frames, durations."""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faltung.errors import ConvSpecError
from faltung.viz.pictures import gif, raster
from faltung.viz.pictures.animate import animate
from faltung.viz.pictures.animation import Animation
from faltung.viz.pictures.changes import Patch
from faltung.viz.pictures.drawing import Drawing, Line, Polygon, Shape, Text
from faltung.viz.pictures.palette import ROLES, palette
from faltung.viz.pictures.strokes import dashes, outline, with_head
from tests.viz.sample_drawing import CELL, OUTPUT, sample, square

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("matplotlib")

TOL = palette("tol")
SAMPLE = sample()


def rgb(role: str, theme: str = "light") -> tuple[int, int, int]:
    paint = TOL.paint(role, theme)  # type: ignore[arg-type]
    colour = paint.fill or paint.stroke or ""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def still(*shapes: Shape, theme: str = "light", scale: float = 1.0) -> raster.Pixels:
    return Animation(Drawing(40, 40, shapes, 1, "", ("",)), theme=theme).to_pixels(0, scale=scale)  # type: ignore[arg-type]


def at(pixels: raster.Pixels, x: float, y: float) -> tuple[int, ...]:
    return tuple(int(value) for value in pixels[int(y), int(x)])


def near(one: tuple[int, ...], two: tuple[int, ...], by: int) -> bool:
    return max(abs(a - b) for a, b in zip(one, two, strict=True)) <= by


def corner(frame: int, position: int) -> tuple[tuple[int, int], str]:
    """A point of an output cell free of letters and lines, and the role that is seen there."""
    point = (OUTPUT[0] + position % 3 * CELL + 27, OUTPUT[1] + position // 3 * CELL + 27)
    return point, "output-strong" if position == frame else "output" if position < frame else "blank"


# -- pixels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_of_every_frame(theme: str) -> None:
    animation = Animation(SAMPLE, theme=theme)  # type: ignore[arg-type]
    for frame in range(9):
        pixels = animation.to_pixels(frame)
        assert pixels.shape == (260, 480, 3)
        assert at(pixels, 2, 2) == rgb("background", theme)
        for position in range(frame, 9):  # the cells before are under the shadow
            point, role = corner(frame, position)
            assert at(pixels, *point) == rgb(role, theme), (frame, position)


def test_auto_is_light() -> None:
    assert np.array_equal(Animation(SAMPLE).to_pixels(3), Animation(SAMPLE, theme="light").to_pixels(3))


@pytest.mark.parametrize("shape", ["rectangle", "rounded", "slanted"])
def test_opacity_blends_once(shape: str) -> None:
    shade = {
        "rectangle": Polygon(square(0, 0, 40), "shadow"),
        "rounded": Polygon(square(0, 0, 40), "shadow", radius=5),
        "slanted": Polygon(((-20, 10), (30, -10), (70, 30), (10, 60)), "shadow"),
    }[shape]
    under, over = np.array(rgb("background")), np.array(rgb("shadow"))
    share = TOL.paint("shadow", "light").opacity
    once = under + share * (over - under)
    twice = once + share * (over - once)
    assert near(at(still(shade), 20, 20), tuple(np.rint(once).astype(int)), 1)
    assert near(at(still(shade, shade), 20, 20), tuple(np.rint(twice).astype(int)), 2)


def test_strokes_are_as_wide_as_the_paint_says() -> None:
    for role in ("focus", "kernel-line"):
        width = TOL.paint(role, "light").width
        pixels = still(Polygon(square(10, 10, 60), role), scale=10).astype(float)
        row = pixels[200, :, 0]
        covered = ((row - 255) / (rgb(role)[0] - 255)).sum() / 10
        assert covered == pytest.approx(width, abs=0.1)
        assert (pixels[200, 100 - round(5 * width) - 2, 0], pixels[200, 101, 0]) == (255, rgb(role)[0])


def test_slanted_and_upright_lines_cover_the_same() -> None:
    upright = still(Line(((20, 5), (20, 35)), "arrow"), scale=8)
    angle = math.radians(30)
    reach = (15 * math.cos(angle), 15 * math.sin(angle))
    slanted = still(Line(((20 - reach[0], 20 - reach[1]), (20 + reach[0], 20 + reach[1])), "arrow"), scale=8)
    covered = [int((255 - pixels[..., 0].astype(int)).sum()) for pixels in (upright, slanted)]
    assert covered[1] == pytest.approx(covered[0], rel=0.06)


def test_dashes_leave_gaps() -> None:
    pixels = still(Polygon(square(4, 4), "zero"), scale=8)
    edge = pixels[32, 40:280, 0]
    assert edge.min() < 200
    assert edge.max() > 230
    full = still(Polygon(square(4, 4), "blank"), scale=8)[32, 40:280, 0]
    assert full.max() < 200


def test_rounded_corners_are_open() -> None:
    pixels = still(Polygon(square(4, 4), "input", radius=8), scale=4)
    assert at(pixels, 18, 18) == rgb("background")
    assert at(pixels, 4 * 20, 4 * 20) == rgb("input")


def test_arrows_have_heads() -> None:
    line = ((5, 20), (35, 20))
    plain, headed = (still(Line(line, "arrow", arrow=arrow), scale=4) for arrow in (False, True))
    beside = (4 * 28, 4 * 20 + 8)
    assert at(plain, *beside) == rgb("background")
    assert at(headed, *beside) == rgb("arrow")
    assert at(headed, 4 * 34 + 3, 4 * 20 + 5) == rgb("background")


@pytest.mark.parametrize(("anchor", "left", "right"), [("start", 20, 40), ("middle", 10, 30), ("end", 0, 20)])
def test_text_stands_where_its_anchor_says(anchor: str, left: int, right: int) -> None:
    pixels = still(Text((20, 20), "0000", "text", 8, anchor), scale=4)
    columns = np.flatnonzero((pixels[..., 0] < 128).any(0)) / 4
    rows = np.flatnonzero((pixels[..., 0] < 128).any(1)) / 4
    assert left - 0.5 <= columns.min()
    assert columns.max() <= right + 0.5
    assert (rows.min() + rows.max()) / 2 == pytest.approx(20, abs=0.4)
    assert rows.max() - rows.min() == pytest.approx(0.73 * 8, abs=1)


def test_bold_text_and_signs_are_drawn() -> None:
    def ink(text: str, role: str) -> int:
        return int((255 - still(Text((20, 20), text, role, 12))[..., 0].astype(int)).sum())

    assert ink("88", "strong") > 1.2 * ink("88", "text")
    assert len({ink(text, "text") for text in "−×→Σ"}) == 4  # a missing character is the same box each time
    assert ink("a\nb", "text") > 0


def test_every_role_can_be_drawn() -> None:
    for role in ROLES:
        for theme in ("light", "dark"):
            shapes = (Polygon(square(4, 4), role), Line(((0, 0), (40, 30)), role, arrow=True), Text((20, 20), "8", role, 9))
            assert len(np.unique(still(*shapes, theme=theme).reshape(-1, 3), axis=0)) > (role != "background")


def test_shapes_outside_and_without_extent_do_no_harm() -> None:
    nothing = still()
    outside = Polygon(square(100, 100), "shadow"), Polygon(square(-90, 0), "input"), Line(((50, 50), (90, 90)), "link")
    flat = Line(((5, 5), (5, 5)), "arrow", arrow=True), Text((20, 20), "", "text", 9)
    assert np.array_equal(still(*outside, *flat), nothing)


def test_strokes_geometry() -> None:
    assert sum(math.dist(piece[0], piece[-1]) for piece in dashes(((0, 0), (30, 0), (30, 30)), 2)) == pytest.approx(30, abs=2)
    assert outline(0, 0, 10, 10, 3)[0] == pytest.approx(outline(0, 0, 10, 10, 3)[-1])
    path, head = with_head(((0, 0), (9, 9), (0, 0), (0, 50)), 1)
    assert path[:3] == ((0, 0), (9, 9), (0, 0))
    assert head[0] == (0, 50)


# -- changes -------------------------------------------------------------------------------------

SCENES = [
    ("conv2d(1, 1, 3, padding=1, padding_mode='circular')", (4, 4)),
    ("conv2d(4, 4, 3, groups=2, bias=False)", (5, 4)),
    ("conv_transpose2d(1, 2, 3, stride=2, padding=1)", (3, 2)),
    ("conv3d(1, 1, 2, padding=1, padding_mode='reflect')", (2, 3, 2)),
    (["conv1d(2, 2, 3, groups=2, padding=2, padding_mode='replicate')", "conv1d(2, 3, 1)"], (5,)),
]


@pytest.mark.parametrize("style", ["flat", "stacked"])
@pytest.mark.parametrize(("specs", "size"), SCENES)
def test_frames_drawn_by_their_changes_are_those_drawn_whole(specs: Any, size: tuple[int, ...], style: Any) -> None:
    drawing = animate(specs, input_size=size, style=style).drawing
    for theme, scale in (("light", 1.0), ("dark", 0.37)):
        canvas = raster.Canvas(drawing, TOL, theme, scale)
        for number, pixels in enumerate(canvas.frames()):
            assert np.array_equal(pixels, canvas.frame(number)), number


def test_frames_of_every_kind_of_shape_drawn_by_their_changes() -> None:
    corner = Polygon(((35, 35), (44, 36), (38, 48)), "shadow", (2, 4))
    never = Polygon(square(0, 0, 40), "input", (7, 9)), Polygon(square(0, 0, 40), "input", (3, 3))
    crossing = Line(((0, 40), (40, 0)), "focus", (1, 3)), Line(((-5, 3), (60, 30)), "link", (0, 2), arrow=True)
    words = Text((38, 20), "−8×W", "strong", 30, "start", (1, 2)), Text((20, 2), "gy", "text", 12, "middle", (3, 4))
    drawing = Drawing(40, 40, (Polygon(square(4, 4), "zero"), corner, *never, *crossing, *words), 5, "", ("",) * 5)
    for one in (drawing, SAMPLE):
        canvas = raster.Canvas(one, TOL, "light", 1.7)
        for number, pixels in enumerate(canvas.frames()):
            assert np.array_equal(pixels, canvas.frame(number)), number


def test_only_what_changes_is_drawn_again() -> None:
    canvas = raster.Canvas(SAMPLE, TOL, "light", 1)
    first, *others = list(canvas.changes())
    assert [patch.pixels.shape for patch in first] == [(260, 480, 3)]
    assert all(sum(patch.pixels.shape[0] * patch.pixels.shape[1] for patch in patches) < 480 * 260 for patches in others)


# -- PNG -----------------------------------------------------------------------------------------


def test_png_holds_the_pixels() -> None:
    animation = Animation(SAMPLE)
    for frame in (0, -1):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(animation.to_png(frame)))), animation.to_pixels(frame))
    assert animation.to_pixels(0, scale=2).shape == (520, 960, 3)
    assert np.array_equal(animation.to_pixels(8), animation.to_pixels())


def test_the_sheet_shows_every_frame_once() -> None:
    animation = Animation(SAMPLE)
    sheet = animation.to_pixels("all")
    windows = np.lib.stride_tricks.sliding_window_view(sheet[..., 0], (260, 480))
    for frame in range(9):
        pixels = animation.to_pixels(frame)[..., 0]
        found = [
            (y, x) for y in range(windows.shape[0]) for x in (10, 500, 990) if np.array_equal(windows[y, x, 88:, 300], pixels[88:, 300])
        ]
        matches = [(y, x) for y, x in found if np.array_equal(windows[y, x], pixels)]
        assert matches == [(28 + frame // 3 * 288, 10 + frame % 3 * 490)]
        label = sheet[matches[0][0] - 18 : matches[0][0] - 3, matches[0][1] : matches[0][1] + 20]
        assert len(np.unique(label.reshape(-1, 3), axis=0)) > 3
    assert sheet.shape == (3 * 288 + 10, 3 * 490 + 10, 3)


# -- GIF -----------------------------------------------------------------------------------------


def whole(pixels: raster.Pixels) -> list[Patch]:
    """A frame that tells of all its pixels."""
    return [Patch(0, 0, pixels)]


def gif_frames(data: bytes) -> list[tuple[raster.Pixels, int]]:
    """Pixels and milliseconds of each frame."""
    found = []
    with Image.open(io.BytesIO(data)) as opened:
        for frame in range(opened.n_frames):
            opened.seek(frame)
            found.append((np.asarray(opened.convert("RGB")), opened.info["duration"]))
    return found


def test_gif_frames_durations_and_loop(tmp_path: Path) -> None:
    path = Animation(SAMPLE, seconds_per_frame=0.5).save(tmp_path / "a.gif")
    frames = gif_frames(path.read_bytes())
    assert [duration for _, duration in frames] == [500] * 9
    for frame, (pixels, _) in enumerate(frames):
        exact = Animation(SAMPLE).to_pixels(frame)
        assert int(np.abs(pixels.astype(int) - exact).max()) <= 24
        for position in range(frame, 9):
            point, role = corner(frame, position)
            assert at(pixels, *point) == rgb(role)
    assert path.stat().st_size < 100_000
    assert b"NETSCAPE2.0\x03\x01\x00\x00\x00" in path.read_bytes()
    assert b"NETSCAPE" not in Animation(SAMPLE).save(tmp_path / "b.gif", loop=False).read_bytes()


def test_gif_of_few_colours_is_exact() -> None:
    numbers = np.random.default_rng(0)
    colours = numbers.integers(0, 256, (255, 3), dtype=np.uint8)
    frames = [colours[numbers.integers(0, 255, (20, 30))] for _ in range(4)]
    for (pixels, _), exact in zip(gif_frames(gif.gif_bytes(map(whole, frames), seconds=0.1, loop=True)), frames, strict=True):
        assert np.array_equal(pixels, exact)


def test_gif_of_many_colours_stays_near() -> None:
    ramp = np.stack(np.broadcast_arrays(np.arange(64)[:, None] * 4, np.arange(64) * 4, 128), -1).astype(np.uint8)
    (pixels, _), _ = gif_frames(gif.gif_bytes(map(whole, [ramp, ramp[::-1]]), seconds=0.1, loop=True))
    assert int(np.abs(pixels.astype(int) - ramp).max()) <= 24


def test_gif_of_parts_is_the_gif_of_whole_frames() -> None:
    numbers = np.random.default_rng(1)
    colours = numbers.integers(0, 256, (900, 3), dtype=np.uint8)
    frame = colours[numbers.integers(0, 900, (30, 40))]
    frames, parts = [frame], [whole(frame)]
    for _ in range(6):
        frame, part = frame.copy(), []
        for left, top in ((3, 5), (20, 11)):
            pixels = colours[numbers.integers(0, 900, (7, 9))]
            frame[top : top + 7, left : left + 9] = pixels
            part.append(Patch(left, top, pixels))
        frames.append(frame)
        parts.append(part)
    frames.append(frame)
    parts.append([])
    assert gif.gif_bytes(parts, seconds=0.1, loop=True) == gif.gif_bytes(map(whole, frames), seconds=0.1, loop=True)


def test_gif_joins_equal_frames() -> None:
    red, blue = (np.full((5, 7, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
    found = gif_frames(gif.gif_bytes(map(whole, [red, red, blue, blue, blue, red]), seconds=0.2, loop=True))
    assert [duration for _, duration in found] == [400, 600, 200]
    assert [at(pixels, 0, 0) for pixels, _ in found] == [(255, 0, 0), (0, 0, 255), (255, 0, 0)]


# -- MP4 -----------------------------------------------------------------------------------------


def read_film(path: Path) -> tuple[dict[str, Any], list[raster.Pixels]]:
    """What the file says of itself, and its pictures."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore", ResourceWarning)  # the reader leaves its pipes open
        patch.setenv("IMAGEIO_FFMPEG_NO_PREVENT_SIGINT", "1")  # else it forks, which JAX warns of where it has been imported
        reader = pytest.importorskip("imageio_ffmpeg").read_frames(str(path))
        facts = next(reader)
        width, height = facts["size"]
        films = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]
        del reader
    return facts, films


@pytest.mark.parametrize(("seconds", "scale", "size"), [(0.7, 1.0, (480, 260)), (0.25, 0.81, (390, 212))])
def test_mp4_read_back(tmp_path: Path, seconds: float, scale: float, size: tuple[int, int]) -> None:
    animation = Animation(SAMPLE, seconds_per_frame=seconds)
    path = animation.save(tmp_path / "a.mp4", scale=scale)
    facts, films = read_film(path)
    assert facts["size"] == size
    assert facts["codec"] == "h264"
    assert facts["pix_fmt"].startswith("yuv420p(tv, bt709")
    assert facts["duration"] == pytest.approx(9 * seconds, abs=0.02)
    repeats, left = divmod(len(films), 9)
    assert left == 0
    assert facts["fps"] == pytest.approx(repeats / seconds, rel=1e-3)
    for frame in (0, 4, 8):
        exact = animation.to_pixels(frame, scale=scale)
        for film in (films[frame * repeats], films[(frame + 1) * repeats - 1]):
            same = film[: exact.shape[0], : exact.shape[1]].astype(int)
            assert float(np.abs(same - exact).mean()) < 3
            for position in range(frame, 9):
                (x, y), role = corner(frame, position)
                assert near(at(film, scale * x, scale * y), rgb(role), 8)


# -- limits --------------------------------------------------------------------------------------


def test_absurd_sizes_are_refused_with_the_limit(tmp_path: Path) -> None:
    with pytest.raises(ConvSpecError, match=r"48000 × 26000 pixels.*limit is 8000000"):
        Animation(SAMPLE).to_pixels(0, scale=100)
    long = Animation(Drawing(2000, 2000, (), 20, "", ("",) * 20))
    for name in ("a.gif", "a.mp4"):
        with pytest.raises(ConvSpecError, match=r"20 frames of 2000 × 2000.*limit is 64000000"):
            long.save(tmp_path / name)
    with pytest.raises(ConvSpecError, match=r"sheet of 20 frames.*limit is 32000000"):
        long.to_pixels("all")
    assert not list(tmp_path.iterdir())


def test_tiny_pictures_have_a_pixel() -> None:
    assert Animation(SAMPLE).to_pixels(0, scale=0.01).shape == (3, 5, 3)
    assert Animation(Drawing(0.1, 0.1, (), 1, "", ("",))).to_pixels(0).shape == (1, 1, 3)
