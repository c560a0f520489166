"""`faltung run`: the picture one expects, or one clear refusal."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from faltung import reference
from faltung.cli.kernel import as_weight, read_kernel
from faltung.errors import ConvError
from faltung.filtering import as_input, as_picture, sums_to_zero
from faltung.kernels import named_kernel
from faltung.spec import ConvSpec

image = pytest.importorskip("PIL.Image")

EDGE = "conv2d(1, 1, 3, padding='same', padding_mode='reflect')"


def pixels(path: Path) -> np.ndarray:
    with image.open(path) as opened:
        return np.asarray(opened).astype(int)


def test_edges_are_white_on_black_where_brightness_changes(faltung, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "edges.png"
    result = faltung("run", EDGE, photo, "--kernel", "sobel_x", "--out", out, columns=200)
    assert result.exit_code == 0, result.stderr
    assert "24 × 32, grey, |result| ×" in result.stdout
    edges = pixels(out)
    assert edges.shape == (24, 32)
    assert (edges[:, 15:17] == 255).all()
    assert (edges[:, :15] == 0).all()
    assert (edges[:, 17:] == 0).all()


def test_signed_edges_lie_around_middle_grey(faltung, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "edges.png"
    assert faltung("run", EDGE, photo, "--kernel", "laplacian", "--values", "signed", "--out", out).exit_code == 0
    edges = pixels(out)
    assert (edges[:, 15] > 250).all()
    assert (edges[:, 16] < 5).all()
    assert (edges[:, :15] == 128).all()


def test_a_smoothed_photograph_stays_in_colour(faltung, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "soft.png"
    assert faltung("run", EDGE, photo, "--kernel", "gaussian(3)", "--out", out).exit_code == 0
    soft = pixels(out)
    assert soft.shape == (24, 32, 3)
    assert soft[5, 3].tolist() == [90, 20, 10]
    assert soft[5, 28].tolist() == [200, 200, 200]
    assert 20 < soft[5, 15, 1] < soft[5, 16, 1] < 200


def test_the_identity_changes_nothing(faltung, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "same.png"
    for spec in (EDGE, "conv2d(3, 3, 3, padding=1, groups=3)"):
        assert faltung("run", spec, photo, "--kernel", "identity", "--out", out).exit_code == 0
        assert np.array_equal(pixels(out), pixels(photo))


def test_an_array_file_keeps_the_values_as_they_are(faltung, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "edges.npy"
    assert faltung("run", EDGE, photo, "--kernel", "sobel_x", "--colour", "--out", out).exit_code == 0
    values = np.load(out)
    spec = ConvSpec.parse("conv2d(3, 3, 3, padding='same', padding_mode='reflect', groups=3, bias=False)")
    weight = np.broadcast_to(named_kernel("sobel_x"), spec.weight_shape)
    expected = reference.conv(spec, np.moveaxis(pixels(photo), -1, 0)[None].astype(float), weight)[0]
    assert values.dtype == np.float32
    assert np.array_equal(values, expected)


def test_a_kernel_file_of_two_axes_is_laid_on_every_channel(faltung, photo: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", np.array([[0, 0, 1]]))
    out = tmp_path / "shifted.npy"
    result = faltung("run", "conv2d(3, 3, (1, 3), groups=3)", photo, "--kernel", tmp_path / "k.npy", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert np.array_equal(np.load(out), np.moveaxis(pixels(photo), -1, 0)[:, :, 2:])


def test_a_kernel_file_may_hold_a_whole_weight(faltung, photo: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "swap.npy", np.eye(3)[[2, 1, 0]].reshape(3, 3, 1, 1))
    out = tmp_path / "bgr.png"
    assert faltung("run", "conv2d(3, 3, 1)", photo, "--kernel", tmp_path / "swap.npy", "--out", out).exit_code == 0
    assert np.array_equal(pixels(out), pixels(photo)[..., ::-1])


def test_many_channels_go_into_an_array_file(faltung, photo: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "bank.npy", np.ones((5, 3, 2, 2), np.float32))
    out = tmp_path / "maps.npy"
    assert faltung("run", "conv2d(3, 5, 2, stride=2)", photo, "--kernel", tmp_path / "bank.npy", "--out", out).exit_code == 0
    assert np.load(out).shape == (5, 12, 16)


def test_json_tells_what_was_done(as_json, photo: Path, tmp_path: Path) -> None:
    facts = as_json("run", EDGE, photo, "--kernel", "sobel_y", "--out", tmp_path / "e.png")
    assert facts["shape"] == [1, 24, 32]
    assert facts["kernel"] == "sobel_y"
    assert facts["algorithm"]


# -- the two choices -----------------------------------------------------------------------------


def test_derivatives_are_told_from_everything_else() -> None:
    spec = ConvSpec.parse("conv2d(1, 1, 3, bias=False)")
    assert sums_to_zero(spec, as_weight(spec, named_kernel("sobel_x"), "sobel_x"))
    assert not sums_to_zero(spec, as_weight(spec, named_kernel("emboss"), "emboss"))
    assert not sums_to_zero(spec, as_weight(spec, np.full((3, 3), 1 / 9), "box"))


def test_a_uniform_picture_stays_black_whatever_the_rounding() -> None:
    noise = np.random.default_rng(0).uniform(-1e-4, 1e-4, (1, 8, 8)).astype(np.float32)
    weight = named_kernel("sobel_x")[None, None]
    assert as_picture(noise, "absolute", weight)[0].max() < 0.5
    assert np.abs(as_picture(noise, "signed", weight)[0] - 128).max() < 0.5


def test_one_bright_spot_does_not_darken_the_picture() -> None:
    values = np.full((1, 100, 100), 50.0, np.float32)
    values[0, 3, 3] = 5000
    assert as_picture(values, "absolute", named_kernel("sobel_x")[None, None])[0][0, 0, 0] == pytest.approx(255)


def test_grey_is_weighted_as_the_eye_sees() -> None:
    spec = ConvSpec.parse("conv2d(1, 1, 3, bias=False)")
    photo = np.array([100.0, 10.0, 1.0], np.float32).reshape(3, 1, 1)
    assert as_input(spec, photo, colour=False).item() == pytest.approx(29.9 + 5.87 + 0.114)
    assert as_input(spec, photo, colour=True).shape == (3, 1, 1, 1)
    assert as_input(ConvSpec.parse("conv2d(3, 3, 1, bias=False)"), photo[:1], colour=True).shape == (1, 3, 1, 1)


# -- refusals ------------------------------------------------------------------------------------


def refuse_kernel(refused, photo: Path, kernel: object, spec: str = EDGE) -> str:
    message = refused("run", spec, photo, "--kernel", kernel, "--out", photo.with_name("out.png"))
    assert not photo.with_name("out.png").exists()
    return message


def test_kernels_that_are_none(refused, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "text.npy").write_text("1 2 3")
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY\x01\x00")
    np.save(tmp_path / "objects.npy", np.array([{}, None], dtype=object), allow_pickle=True)
    np.save(tmp_path / "complex.npy", np.ones((3, 3), complex))
    np.save(tmp_path / "nan.npy", np.full((3, 3), np.nan))
    np.save(tmp_path / "vector.npy", np.ones(3))
    np.save(tmp_path / "none.npy", np.ones((0, 3)))
    np.savez(tmp_path / "several.npz", a=np.ones(3))
    for kernel, told in (
        ("sobell_x", "Did you mean 'sobel_x'?"),
        ("", "is not known"),
        (tmp_path / "missing.npy", "there is no file"),
        (tmp_path / "empyt.npy", "Did you mean empty.npy or text.npy?"),
        (tmp_path / "folder/kernel.npy", "does not exist"),
        (tmp_path / "empty.npy", "is empty (0 bytes)"),
        (tmp_path / "text.npy", "never loaded"),
        (tmp_path / "cut.npy", "is no readable .npy array"),
        (tmp_path / "objects.npy", "holds Python objects"),
        (tmp_path / "complex.npy", "holds complex128 values, real numbers are needed."),
        (tmp_path / "nan.npy", "has NaN or infinite values."),
        (tmp_path / "vector.npy", "has shape (3,), 1 axes."),
        (tmp_path / "none.npy", "is 0×3, the spec says 3×3."),
        (tmp_path / "several.npz", "is no .npy file."),
        (tmp_path, "is no .npy file."),
    ):
        assert told in refuse_kernel(refused, photo, kernel)


def test_pickles_are_never_run(refused, photo: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "trap.npy").write_bytes(pickle.dumps(Trap()))
    refuse_kernel(refused, photo, tmp_path / "trap.npy")
    np.save(tmp_path / "trap.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    refuse_kernel(refused, photo, tmp_path / "trap.npy")
    assert not (tmp_path / "sprung").exists()


def test_a_header_that_promises_too_much_is_refused(refused, photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "huge.npy"
    np.save(path, np.ones((3, 3)))
    for shape in (b"(300000000, 30000)", b"(3, 4)", b"(99999999999999999999, 3)"):
        content = path.read_bytes()
        header, data = content[10 : content.index(b"\n") + 1], content[content.index(b"\n") + 1 :]
        changed = header.replace(b"(3, 3)", shape).rstrip().ljust(len(header) - 1) + b"\n"
        bad = tmp_path / "bad.npy"
        bad.write_bytes(content[:10] + changed + data)
        assert "bad.npy is no readable .npy array" in refuse_kernel(refused, photo, bad)


def test_damaged_headers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "kernel.npy"
    np.save(path, np.ones((3, 3)))
    content = path.read_bytes()
    draw = np.random.default_rng(0)
    refusals = 0
    for _ in range(400):
        damaged = bytearray(content)
        for at in draw.integers(0, content.index(b"}") + 1, 2):
            damaged[at] = draw.integers(0, 256)
        path.write_bytes(damaged)
        try:
            assert read_kernel(str(path)).dtype.kind in "biuf"
        except ConvError:
            refusals += 1
    assert refusals > 100


def test_a_kernel_of_another_size_is_told_both_ways_out(refused, photo: Path) -> None:
    message = refuse_kernel(refused, photo, "gaussian")
    assert "kernel gaussian is 5×5, the spec says 3×3." in message
    assert "Write conv2d(1, 1, (5, 5), padding='same', padding_mode='reflect'), or --kernel \"gaussian(3)\"." in message
    assert "or --kernel" not in refuse_kernel(refused, photo, "sobel_x", "conv2d(1, 1, 5)")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("conv1d(1, 1, 3)", "has 1 spatial axes, a picture has 2."),
        ("conv2d(2, 2, 3)", "takes 2 channels, a picture has 3, or 1 as grey."),
        ("conv2d(3, 8, 3)", "gives 8 channels, a picture has 3 or 1."),
        ("conv2d(3, 3, 3)", "mixes channels."),
        ("conv2d(1, 1, 3, dilation=16)", "no output along axis 0"),
        ("conv2d(1, 1, 3", "cannot read"),
    ],
)
def test_specs_that_fit_no_picture(refused, photo: Path, spec: str, told: str) -> None:
    assert told in refuse_kernel(refused, photo, "sobel_x", spec)


def test_pictures_that_are_none(refused, tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    for path, told in (
        (tmp_path / "missing.png", "no such file"),
        (tmp_path, "is a folder"),
        (tmp_path / "empty.png", "is empty (0 bytes)"),
        (tmp_path / "text.png", "is no image"),
        ("x" * 5000, "cannot look at"),
    ):
        assert told in refused("run", EDGE, path, "--kernel", "sobel_x", "--out", tmp_path / "out.png")


def test_places_that_cannot_be_written(refused, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out, told in (
        (tmp_path / "out.xyz", "ending '.xyz'"),
        (tmp_path / "out", "ending ''"),
        (tmp_path / "file/out.png", "cannot write"),
    ):
        assert told in refused("run", EDGE, photo, "--kernel", "sobel_x", "--out", out)


def test_unknown_ways_to_show_values(refused, photo: Path, tmp_path: Path) -> None:
    assert "Did you mean 'absolute'?" in refused(
        "run", EDGE, photo, "--kernel", "sobel_x", "--out", tmp_path / "o.png", "--values", "absolutely"
    )
