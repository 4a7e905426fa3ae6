"""The map of a larger picture: the value of every patch, in blocks that leave no seam."""

import numpy as np
import pytest

from core.bundle import load_bundle
from core.display import MUTED, rgb
from core.errors import BundleError, PatchError
from core.prediction import Predictor, region
from core.prediction.region import RegionMap, read_region


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(load_bundle("nodescope-net"), device="cpu")


def picture(height: int, width: int) -> np.ndarray:
    """Soft coloured spots, which the network answers differently from place to place."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / period) * np.cos(y / (period + 3)) for period in (5, 11, 17)]
    return np.clip(170 + 60 * np.stack(waves, axis=2), 0, 255).astype(np.uint8)


def test_each_value_is_that_of_the_patch_alone(predictor: Predictor) -> None:
    pixels = picture(129, 171)

    found = read_region(predictor, pixels).probabilities

    assert found.shape == (5, 10)
    patches = np.stack([pixels[8 * i : 8 * i + 96, 8 * j : 8 * j + 96] for i in range(5) for j in range(10)])
    assert np.ptp(found) > 0.01
    np.testing.assert_allclose(found.ravel(), predictor.predict(patches).probabilities, atol=1e-5)


def test_blocks_leave_no_seam_and_tell_their_progress(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = picture(180, 160)
    whole = read_region(predictor, pixels).probabilities
    monkeypatch.setattr(region, "BLOCK", 4)
    told: list[float] = []

    found = read_region(predictor, pixels, progress=told.append)

    np.testing.assert_allclose(found.probabilities, whole, atol=1e-5)
    assert told == [pytest.approx((1 + done) / 9) for done in range(9)]


def test_colour_lies_where_tumour_is_called_and_nowhere_else() -> None:
    pixels = np.full((104, 112, 3), 100, np.uint8)
    found = RegionMap(np.array([[0.2, 0.2, 0.2], [0.2, 0.2, 1.0]]), 0.5)
    assert found.area == (44, 44, 68, 60)

    drawn = found.overlay(pixels, opacity=0.5)

    frame = np.zeros((104, 112), bool)
    frame[43:61, 43:69] = True
    frame[44:60, 44:68] = False
    assert (drawn[frame] == rgb(MUTED)).all()
    changed = (drawn != pixels).any(axis=2) & ~frame
    assert changed[56, 64]
    assert tuple(drawn[58, 66]) == (158, 69, 80)  # half of the grey, half of the red (215, 38, 61)
    assert not changed[:, :56].any()
    assert not changed[:48].any()
    assert not changed[60:].any()
    assert not changed[:, 68:].any()
    assert (found.overlay(pixels, threshold=1.0)[44:60, 44:56] == 100).all()
    assert (pixels == 100).all()


def test_the_share_counts_places_from_the_threshold_on() -> None:
    found = RegionMap(np.array([[0.2, 0.5], [0.7, 0.9]]), 0.5)

    assert found.share() == 0.75
    assert found.share(0.8) == 0.25


def test_the_table_names_the_middle_of_each_patch() -> None:
    table = RegionMap(np.array([[0.25, 0.5]]), 0.5).table()

    assert table == "x,y,probability\n48,48,0.250000\n56,48,0.500000\n"


def test_a_network_with_padding_is_refused_with_what_to_do() -> None:
    with pytest.raises(BundleError, match=r"efficientnet-lite0 predicts single patches only.*nodescope-net"):
        read_region(Predictor(load_bundle(), device="cpu"), picture(96, 96))


@pytest.mark.parametrize("pixels", [picture(95, 200), picture(96, 96)[..., 0], picture(96, 96).astype(np.float32)])
def test_what_is_no_picture_is_refused(predictor: Predictor, pixels: np.ndarray) -> None:
    with pytest.raises(PatchError, match="uint8 H×W×3 with sides of at least 96, got"):
        read_region(predictor, pixels)
