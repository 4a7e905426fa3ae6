"""Which 96×96 of a larger picture the model sees, and the picture of the whole."""

import io

import numpy as np
import pytest
from PIL import Image

from core.errors import PatchError
from core.images.decode import decode_whole, load_picture, shrink


@pytest.fixture
def picture() -> tuple[np.ndarray, bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 400, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return pixels, buffer.getvalue()


def test_a_patch_is_cut_where_it_was_asked_for(picture: tuple[np.ndarray, bytes]) -> None:
    pixels, data = picture
    decoded = load_picture(data).patch((304, 104))
    assert (decoded.pixels == pixels[104:200, 304:400]).all()
    assert decoded.notes == ("Cropped the place (304, 104) 96×96 of 400×200 pixels.",)


@pytest.mark.parametrize("at", [(305, 0), (0, 105), (-1, 0)])
def test_a_place_outside_is_refused(picture: tuple[np.ndarray, bytes], at: tuple[int, int]) -> None:
    with pytest.raises(PatchError, match="does not lie within 400×200 pixels"):
        load_picture(picture[1]).patch(at)


def test_the_overview_is_the_mean_of_its_squares(picture: tuple[np.ndarray, bytes]) -> None:
    pixels, data = picture
    small = shrink(decode_whole(data).pixels, side=100)
    assert small.shape == (50, 100, 3)
    means = pixels.reshape(50, 4, 100, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - means).max() <= 1


def test_a_small_picture_stays_as_it_is(picture: tuple[np.ndarray, bytes]) -> None:
    assert (shrink(decode_whole(picture[1]).pixels, side=500) == picture[0]).all()


def test_the_overview_refuses_what_is_no_picture() -> None:
    with pytest.raises(PatchError, match="x: This is text, not an image"):
        decode_whole(b"no image", name="x")
