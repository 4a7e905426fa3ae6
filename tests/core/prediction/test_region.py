"""The map of a larger picture: the value of every patch, in blocks that leave no seam."""

import json

import numpy as np
import pytest

from core.bundle import load_bundle
from core.data import open_demo
from core.display import CLASS_COLOURS, MUTED, rgb
from core.errors import PatchError
from core.prediction import Predictor, examine, region
from core.prediction.artifacts import Artifact
from core.prediction.ood_warnings import OodWarnings
from core.prediction.region import ExaminedTile, RegionMap, examine_tiles, map_about, map_json, read_region


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


def test_a_network_with_padding_reads_patch_by_patch_so_that_centres_lie_side_by_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictor, pixels = Predictor(load_bundle(), device="cpu"), picture(140, 190)
    monkeypatch.setattr(region, "AT_ONCE", 5)
    told: list[float] = []

    found = read_region(predictor, pixels, progress=told.append)

    assert (found.step, found.area, told) == (32, (32, 32, 128, 96), [5 / 6, 1.0])
    patches = np.stack([pixels[32 * i : 32 * i + 96, 32 * j : 32 * j + 96] for i in range(2) for j in range(3)])
    np.testing.assert_array_equal(found.probabilities.ravel(), predictor.predict(patches).probabilities)


def half_glass() -> np.ndarray:
    """Four demo patches; the left two are glass."""
    patches = [each.copy() for each in open_demo().store.load(range(4)).pixels]
    patches[0][:] = patches[2][:] = 238
    return np.concatenate([np.concatenate(patches[:2], axis=1), np.concatenate(patches[2:], axis=1)])


def test_glass_is_never_called_tumour(predictor: Predictor) -> None:
    pixels = half_glass()

    found = read_region(predictor, pixels)

    assert found.tissue is not None
    # Columns 0 to 12 of places; the centre of column 4 ends at pixel 96, where the tissue begins.
    assert not found.tissue[:, :4].any()
    assert found.tissue[:, 6:].all()
    assert not found.called(0.0)[:, :4].any()
    assert found.share(0.0) == 1.0
    assert found.tissue_share() == found.tissue.mean()
    assert found.highest == found.probabilities[found.tissue].max()
    drawn = found.overlay(pixels, threshold=0.0)
    assert tuple(drawn[60, 60]) == tuple(np.rint(238 * 0.75 + np.array(rgb(MUTED)) * 0.25).astype(int))


def test_tiles_are_examined_where_there_is_tissue(predictor: Predictor) -> None:
    pixels = half_glass()
    pixels[96:, 96:] = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8) // (1, 3, 1)

    tiles = examine_tiles(predictor, pixels)

    assert [tile.at for tile in tiles] == [(0, 0), (96, 0), (0, 96), (96, 96)]
    assert [tile.ood is None for tile in tiles] == [True, False, True, False]
    assert tiles[1].ood == examine(predictor, pixels[None, :96, 96:])[0]
    assert tiles[3].ood
    assert [tile.at for tile in RegionMap(np.zeros((13, 13)), 0.5, tiles=tiles).unusual] == [(96, 96)]


WARNED = OodWarnings((Artifact("network", 2.0, 1.0, "Unlike."),), 2.0)


def test_tissue_and_warnings_are_in_all_that_is_saved() -> None:
    tiles = (ExaminedTile((0, 0), OodWarnings((), 0.5)), ExaminedTile((96, 0), WARNED), ExaminedTile((192, 0), None))
    found = RegionMap(np.array([[0.2, 0.9, 0.9, 0.4]]), 0.5, np.array([[True, True, False, True]]), tiles, 64)
    bundle = load_bundle()

    assert found.table() == (
        "x,y,probability,tissue,out_of_distribution\n48,48,0.200000,1,0\n112,48,0.900000,1,1\n"
        "176,48,0.900000,0,1\n240,48,0.400000,1,0\n"
    )
    about = map_about(bundle, 0.5, found)
    assert about["Tissue"] == "75.0% of the places; those without are grey"
    assert about["Out of distribution"].startswith("1 of 3 tiles")
    assert about["Out of distribution"].endswith("corner at (96, 0)")
    read = json.loads(map_json(bundle, 0.3, found))
    assert (read["threshold"], read["first"], read["step"]) == (0.3, [48, 48], 64)
    assert read["probabilities"] == [[0.2, 0.9, 0.9, 0.4]]
    assert read["tissue"] == [[1, 1, 0, 1]]
    assert [(tile["x"], tile["tissue"], tile["out_of_distribution"], tile["ood_score"]) for tile in read["tiles"]] == [
        (0, True, False, 0.5), (96, True, True, 2.0), (192, False, False, None),
    ]  # fmt: skip
    assert read["about"]["Disclaimer"]
    drawn = found.overlay(np.full((96, 288, 3), 200, np.uint8))
    assert (tuple(drawn[2, 98]), tuple(drawn[2, 106])) == ((40,) * 3, (240,) * 3)
    assert tuple(drawn[2, 2]) == (200, 200, 200)
    assert tuple(drawn[48, 112]) == tuple(np.rint(200 * 0.46 + np.array(rgb(CLASS_COLOURS[1])) * 0.54).astype(int))


@pytest.mark.parametrize("pixels", [picture(95, 200), picture(96, 96)[..., 0], picture(96, 96).astype(np.float32)])
def test_what_is_no_picture_is_refused(predictor: Predictor, pixels: np.ndarray) -> None:
    with pytest.raises(PatchError, match="uint8 H×W×3 with sides of at least 96, got"):
        read_region(predictor, pixels)
