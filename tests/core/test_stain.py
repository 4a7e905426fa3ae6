import numpy as np
import pytest

from core.errors import PatchError
from core.stain import RUIFROK_EOSIN, RUIFROK_HAEMATOXYLIN, stain_amounts, stain_picture


def mixed(haematoxylin: np.ndarray, eosin: np.ndarray) -> np.ndarray:
    """What Beer and Lambert say is seen of two stains on white ground."""
    density = haematoxylin[..., None] * np.array(RUIFROK_HAEMATOXYLIN) + eosin[..., None] * np.array(RUIFROK_EOSIN)
    return np.rint(255 * np.exp(-density)).astype(np.uint8)


def test_the_amounts_that_were_mixed_are_found_again() -> None:
    haematoxylin, eosin = np.meshgrid(np.linspace(0, 1.2, 96), np.linspace(0, 0.9, 96))
    found = stain_amounts(mixed(haematoxylin, eosin))
    # Rounding to 8 bits moves a density by at most 0.5 / (255 exp(-density)); the green one reaches 1.74.
    np.testing.assert_allclose(found[..., 0], haematoxylin, atol=0.012)
    np.testing.assert_allclose(found[..., 1], eosin, atol=0.02)


def test_white_holds_no_stain() -> None:
    assert not stain_amounts(np.full((96, 96, 3), 255, np.uint8)).any()


def test_a_picture_of_one_stain_is_the_mix_without_the_other() -> None:
    ramp = np.tile(np.linspace(0, 1, 96), (96, 1))
    both = mixed(ramp, np.full_like(ramp, 0.5))
    one = stain_picture(both, "haematoxylin").astype(int)
    other = stain_picture(both, "eosin").astype(int)
    assert np.abs(one - mixed(ramp, np.zeros_like(ramp))).max() <= 2
    assert np.abs(other - mixed(np.zeros_like(ramp), np.full_like(ramp, 0.5))).max() <= 2


def test_black_is_finite_and_wrong_input_is_refused() -> None:
    assert np.isfinite(stain_amounts(np.zeros((4, 4, 3), np.uint8))).all()
    with pytest.raises(PatchError, match="uint8 H×W×3"):
        stain_amounts(np.zeros((4, 4), np.uint8))
    with pytest.raises(PatchError, match="haematoxylin, eosin"):
        stain_picture(np.zeros((4, 4, 3), np.uint8), "safran")
