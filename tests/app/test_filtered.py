"""Pictures as cells, and filtered at full resolution: checked against the definition and by hand."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest

from faltung import reference
from faltung.app import filtered, photographs
from faltung.app.answers import answer
from faltung.app.uploads import keep_upload
from faltung.kernels import named_kernel
from faltung.spec import ConvSpec

image = pytest.importorskip("PIL.Image")

RNG = np.random.default_rng(5)
COLOURS = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def upload_of(pixels: np.ndarray, form: str = "PNG") -> str:
    file = io.BytesIO()
    image.fromarray(pixels).save(file, form)
    return keep_upload(file.getvalue())


def pixels_of(encoded: str) -> np.ndarray:
    with image.open(io.BytesIO(base64.b64decode(encoded, validate=True))) as opened:
        assert opened.format == "PNG"
        return np.asarray(opened).astype(int)


class TestFilter:
    def test_a_blur_is_that_of_the_definition_on_each_colour(self) -> None:
        given = answer("filter", {"upload": upload_of(COLOURS), "kernel": "gaussian(5)"})
        spec = ConvSpec(1, 1, 5, padding="same", padding_mode="replicate", bias=False, ndim=2)
        x = COLOURS.astype(float).transpose(2, 0, 1)[:, None]
        wanted = reference.conv(spec, x, named_kernel("gaussian(5)")[None, None])[:, 0].transpose(1, 2, 0)
        assert np.abs(pixels_of(given["png"]) - wanted).max() < 0.502
        assert (given["size"], given["channels"], given["shown"]) == ([20, 30], 1, "cut off at 0 and 255")
        assert given["seconds"] > 0
        assert given["runs"] >= 1
        assert given["algorithm"] == answer("filter", {"upload": upload_of(COLOURS), "kernel": "gaussian(5)"})["algorithm"]

    def test_an_edge_filter_answers_in_grey_and_by_its_absolute_value(self) -> None:
        step = np.zeros((8, 10), np.uint8)
        step[:, 5:] = 200
        given = answer("filter", {"upload": upload_of(step), "kernel": "sobel_x"})
        edges = pixels_of(given["png"])
        assert edges.shape == (8, 10)
        assert set(np.unique(edges[:, 4:6])) == {255}
        assert set(np.unique(np.delete(edges, [4, 5], axis=1))) == {0}
        assert given["shown"].startswith("|result| ×")

    def test_colours_or_brightness_as_asked(self) -> None:
        upload = upload_of(COLOURS)
        assert pixels_of(answer("filter", {"upload": upload, "kernel": "sobel_x", "colour": True})["png"]).shape == (20, 30, 3)
        assert pixels_of(answer("filter", {"upload": upload, "kernel": "box", "colour": False})["png"]).shape == (20, 30)

    def test_the_weights_of_a_state(self) -> None:
        state = {"in_channels": 3, "out_channels": 3, "groups": 3, "kernel_size": 1, "stride": 2, "bias": True}
        state |= {"weight": {"values": [[[[0.5]]], [[[1]]], [[[0]]]]}, "bias_values": {"values": [10, 0, 7]}}
        given = answer("filter", {"upload": upload_of(COLOURS), "state": state})
        wanted = COLOURS[::2, ::2].astype(float) * [0.5, 1, 0] + [10, 0, 7]
        assert np.abs(pixels_of(given["png"]) - np.clip(wanted, 0, 255)).max() <= 0.5
        assert given["spec"].startswith("conv2d(3, 3, (1, 1), stride=(2, 2)")

    def test_layers_one_after_the_other_and_one_channel_of_several(self) -> None:
        state = {"kernel_size": 1, "weight": {"values": [[[[1]]]]}, "then": [{"out_channels": 2, "kernel_size": 1}]}
        state["then"][0]["weight"] = {"values": [[[[0.5]]], [[[0.25]]]]}
        grey = upload_of(COLOURS[..., 0])
        for channel, factor in ((0, 0.5), (1, 0.25)):
            given = answer("filter", {"upload": grey, "state": state, "channel": channel})
            assert np.abs(pixels_of(given["png"]) - COLOURS[..., 0] * factor).max() <= 0.5
        missing = answer("filter", {"upload": grey, "state": state, "channel": 2})["problem"]["message"]
        assert "channel 2 is not there: the result has 2" in missing

    def test_results_far_outside_are_stretched_and_it_is_told(self) -> None:
        state = {"kernel_size": 1, "weight": {"values": [[[[-100]]]]}}
        given = answer("filter", {"upload": upload_of(COLOURS[..., 0]), "state": state})
        made = pixels_of(given["png"])
        assert (made.min(), made.max()) == (0, 255)
        assert given["shown"].startswith("stretched: -25")

    def test_larger_pictures_are_made_smaller_and_it_is_told(self, monkeypatch) -> None:
        monkeypatch.setattr(filtered, "MOST_PIXELS", 150)
        given = answer("filter", {"upload": upload_of(COLOURS), "kernel": "identity"})
        assert given["size"] == [10, 15]
        assert given["note"] == "made smaller first: 20 × 30 to 10 × 15, the most that is taken"

    def test_so_are_pictures_whose_result_would_be_too_large(self, monkeypatch) -> None:
        monkeypatch.setattr(filtered, "MOST_PIXELS", 600)
        state = {"transposed": True, "kernel_size": 2, "stride": 2, "weight": {"values": [[[[1, 1], [1, 1]]]]}}
        given = answer("filter", {"upload": upload_of(np.full((20, 30), 90, np.uint8)), "state": state})
        height, width = given["size"]
        assert 600 < height * width <= 3 * 600
        assert f"20 × 30 to {height // 2} × {width // 2}" in given["note"]
        assert set(np.unique(pixels_of(given["png"]))) == {90}

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            ({"state": {"kernel_size": [3]}}, "the layer has 1 spatial axes, a picture has 2"),
            ({"state": {"in_channels": 2}}, "the layer takes 2 channels, a picture has 3"),
            ({"kernel": "sobel"}, "kernel='sobel' is not known"),
            ({"kernel": 3}, "kernel=3 is no text"),
            ({"kernel": "box", "colour": 1}, "colour=1 is neither true nor false"),
            ({"state": {"transposed": True, "stride": 9000}}, "values, more than 50331648"),
            ({"state": {"kernel_size": 30, "input_size": 30}}, "no output along axis 0"),
            ({"state": {"kernel_size": 3000, "padding": 2000}}, "products to compute, more than"),
        ],
    )
    def test_what_cannot_be_filtered_is_a_problem(self, asked, told: str) -> None:
        assert told in answer("filter", {"upload": upload_of(COLOURS), **asked})["problem"]["message"]

    @pytest.mark.parametrize("upload", [None, "x", 3, ["example"]])
    def test_uploads_that_are_not_there(self, upload) -> None:
        assert "no longer there" in answer("filter", {"upload": upload, "kernel": "box"})["problem"]["message"]

    def test_what_is_no_picture(self) -> None:
        assert "no image that Pillow knows" in answer("filter", {"upload": keep_upload(b"<svg/>"), "kernel": "box"})["problem"]["message"]


class TestPhotograph:
    def test_cells_are_means_over_what_they_cover(self) -> None:
        blocks = np.kron(np.array([[10, 200, 30], [40, 50, 60]], np.uint8), np.ones((20, 20), np.uint8))
        given = answer("photograph", {"upload": upload_of(blocks), "state": {"input_size": [2, 3]}})
        assert (given["size"], given["channels"]) == ([40, 60], 1)
        assert given["x"]["values"] == [[[10, 200, 30], [40, 50, 60]]]
        even = answer("photograph", {"upload": upload_of(np.full((9, 9), 77, np.uint8)), "state": {"input_size": [4, 5]}})
        assert even["x"]["values"] == [[[77] * 5] * 4]

    def test_three_channels_are_the_colours_others_the_brightness(self) -> None:
        red = np.zeros((8, 8, 3), np.uint8)
        red[..., 0] = 100
        upload = upload_of(red)
        colours = answer("photograph", {"upload": upload, "state": {"in_channels": 3, "input_size": 2}})["x"]["values"]
        assert colours == [[[100] * 2] * 2, [[0] * 2] * 2, [[0] * 2] * 2]
        grey = answer("photograph", {"upload": upload, "state": {"in_channels": 2, "input_size": 2}})["x"]["values"]
        assert grey == [[[30] * 2] * 2] * 2

    def test_the_middle_is_taken_in_the_inputs_proportions(self) -> None:
        wide = np.zeros((10, 30), np.uint8)
        wide[:, 10:20] = 255
        given = answer("photograph", {"upload": upload_of(wide), "state": {"input_size": [5, 5]}})
        assert np.array(given["x"]["values"])[0, :, 1:4].min() > 250

    @pytest.mark.parametrize("size", [[7], [3, 4], [2, 3, 4], [1, 1], [40, 2]])
    @pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (33, 47)])
    def test_any_picture_fits_any_input(self, size, shape) -> None:
        upload = upload_of(RNG.integers(0, 256, shape, dtype=np.uint8))
        given = answer("photograph", {"upload": upload, "state": {"ndim": len(size), "input_size": size}})
        assert np.array(given["x"]["values"]).shape == (1, *size)
        shown = answer("show", {"state": {"ndim": len(size), "input_size": size, "kernel_size": 1, "x": given["x"]}})
        assert shown["problem"] is None

    def test_the_example_has_a_name_too(self) -> None:
        pytest.importorskip("skimage")
        state = {"in_channels": 3, "input_size": [4, 6]}
        given = answer("photograph", {"upload": photographs.EXAMPLE, "state": state})
        named = answer("show", {"state": state | {"x": {"named": "photo"}}})
        assert named["state"]["values"]["x"] == given["x"]["values"]
        assert given["size"] == [400, 600]
        assert pixels_of(answer("filter", {"upload": "example", "kernel": "box"})["original"]).shape == (400, 600, 3)

    def test_inputs_too_large_to_show(self) -> None:
        given = answer("photograph", {"upload": upload_of(COLOURS), "state": {"input_size": [100, 100]}})
        assert "1*100*100 = 10000 cells, more than 4096" in given["problem"]["message"]
