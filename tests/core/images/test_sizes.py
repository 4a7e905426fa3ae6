"""Patches of pictures of other sizes: the right pixels, and the right reasons for refusing."""

import numpy as np
import pytest

from core.errors import PatchError
from core.images.sizes import Fit, fitted


def _ramp(side: int) -> np.ndarray:
    """A picture whose columns are 0, 1, 2, ... in all colours."""
    return np.repeat(np.tile(np.arange(side, dtype=np.uint8), (side, 1))[..., None], 3, axis=2)


def test_a_reduction_is_the_mean_of_what_a_pixel_covers() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (192, 192, 3), dtype=np.uint8)
    blocks = pixels.reshape(96, 2, 96, 2, 3).mean((1, 3))

    patch, notes = fitted(pixels, Fit("resize"))

    assert np.abs(patch - blocks).max() <= 0.5 + 1e-3
    assert notes == ("Resized, whatever its scale: 192×192 of 192×192 pixels became 96×96.",)


def test_parts_of_pixels_count_as_parts() -> None:
    pixels = np.zeros((144, 144, 3), np.uint8)
    pixels[:, 1::3] = 90  # every pixel of the patch covers one and a half: half of each bright one
    patch, _ = fitted(pixels, Fit("resize"))

    assert (patch == 30).all()


def test_the_scale_takes_the_centre() -> None:
    patch, _ = fitted(_ramp(224), Fit("mpp"), mpp=0.485)  # twice as fine: 192 of 224 pixels

    # Means of 16 and 17, 18 and 19, ...: halves are rounded to the even one.
    assert np.abs(patch[0, :, 0] - (16.5 + 2 * np.arange(96))).max() == 0.5


def test_the_crop_is_the_centre_as_it_is() -> None:
    patch, _ = fitted(_ramp(101), Fit("crop"))

    assert patch[0, :, 0].tolist() == list(range(2, 98))


def test_a_patch_stays_as_it_is() -> None:
    pixels = _ramp(96)
    for fit, mpp in ((Fit(), None), (Fit("mpp"), 0.97), (Fit("crop"), None), (Fit("resize"), None)):
        patch, notes = fitted(pixels, fit, mpp=mpp)
        assert patch is pixels
        assert notes == ()


@pytest.mark.parametrize(
    ("side", "fit", "mpp", "words"),
    [
        (224, Fit(), None, "Got 224×224 pixels, but a patch has 96×96; choose how other sizes become patches"),
        (224, Fit("mpp"), None, "its µm per pixel are not known; give them"),
        (96, Fit("mpp"), 0.5, r"Got 96×96 pixels, 48 µm wide, but a patch needs 186×186 of them \(93 µm\)"),
        (80, Fit("crop"), None, r"Got 80×80 pixels, but a patch needs 96×96"),
        (50, Fit("resize"), None, "would be enlarged 1.9 times; at most 1.3"),
        (224, Fit("mpp"), 2.0, "would be enlarged 2.1 times"),
    ],
)
def test_what_cannot_become_a_patch_is_refused(side: int, fit: Fit, mpp: float | None, words: str) -> None:
    with pytest.raises(PatchError, match=words):
        fitted(_ramp(side), fit, mpp=mpp)


def test_more_is_enlarged_when_asked_for_and_a_little_always() -> None:
    assert fitted(_ramp(50), Fit("resize", enlarge=True))[0].shape == (96, 96, 3)
    assert fitted(_ramp(80), Fit("resize"))[0].shape == (96, 96, 3)
