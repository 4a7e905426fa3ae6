"""A map over its patch."""

import numpy as np
import pytest

from core.attribution.overlay import DIVERGING, SEQUENTIAL, colour_table, overlay
from core.display import with_centre_box
from core.errors import AttributionError, ConfigError, PatchError


@pytest.fixture
def patch() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (96, 96, 3), dtype=np.uint8)


@pytest.fixture
def ramp() -> np.ndarray:
    return np.linspace(0, 1, 9216, dtype=np.float32).reshape(96, 96)


def test_without_opacity_the_patch_is_unchanged(patch, ramp):
    np.testing.assert_array_equal(overlay(patch, ramp, opacity=0, centre_box=False), patch)
    large = overlay(patch, ramp, opacity=0, centre_box=False, zoom=3)
    np.testing.assert_array_equal(large, np.kron(patch, np.ones((3, 3, 1), np.uint8)))


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_at_full_opacity_only_the_colour_table_is_seen(patch, ramp, name):
    drawn = overlay(patch, ramp, opacity=1, colours=name, centre_box=False)
    np.testing.assert_array_equal(drawn, colour_table(name)[np.rint(ramp * 255).astype(int)])


@pytest.mark.parametrize("name", DIVERGING)
def test_signed_maps_spread_from_minus_one_to_one(patch, ramp, name):
    drawn = overlay(patch, 2 * ramp - 1, opacity=1, colours=name, centre_box=False)
    np.testing.assert_array_equal(drawn[0, 0], colour_table(name)[0])
    np.testing.assert_array_equal(drawn[-1, -1], colour_table(name)[255])
    zero = overlay(patch, np.zeros((96, 96), np.float32), opacity=1, colours=name, centre_box=False)
    assert zero.min() >= 245  # nearly white in the middle


def test_the_colours_are_those_known_by_name():
    assert colour_table("inferno")[0].tolist() == [0, 0, 4]
    assert colour_table("viridis")[[0, 255]].tolist() == [[68, 1, 84], [253, 231, 37]]
    red_for_tumour = colour_table("RdBu_r")[255].astype(int)
    assert red_for_tumour[0] > red_for_tumour[2] + 50
    blue_against = colour_table("RdBu_r")[0].astype(int)
    assert blue_against[2] > blue_against[0] + 50


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_sequential_tables_get_lighter_all_the_way(name):
    lightness = colour_table(name).astype(float) @ (0.2126, 0.7152, 0.0722)
    assert np.diff(lightness[::8]).min() > 0


def test_half_opacity_is_the_mean(ramp):
    grey = np.full((96, 96, 3), 100, np.uint8)
    drawn = overlay(grey, ramp, opacity=0.5, centre_box=False).astype(float)
    colours = colour_table("inferno")[np.rint(ramp * 255).astype(int)].astype(float)
    assert np.abs(drawn - (100 + colours) / 2).max() <= 0.5


def test_fading_leaves_tissue_without_evidence_alone(patch, ramp):
    drawn = overlay(patch, ramp, opacity=1, fade=True, centre_box=False)
    np.testing.assert_array_equal(drawn[0, 0], patch[0, 0])
    np.testing.assert_array_equal(drawn[-1, -1], colour_table("inferno")[255])


def test_the_table_is_chosen_by_the_sign_unless_named(patch, ramp):
    negative = ramp - 0.5
    np.testing.assert_array_equal(overlay(patch, negative), overlay(patch, negative, colours="RdBu_r"))
    np.testing.assert_array_equal(overlay(patch, ramp), overlay(patch, ramp, colours="inferno"))
    with pytest.raises(ConfigError, match="no place for negative values"):
        overlay(patch, negative, colours="viridis")


@pytest.mark.parametrize("zoom", [1, 4, 6])
def test_the_frame_lies_just_outside_the_centre(patch, ramp, zoom):
    plain = overlay(patch, ramp, opacity=0, centre_box=False, zoom=zoom)
    framed = overlay(patch, ramp, opacity=0, zoom=zoom)
    low, high = 32 * zoom, 64 * zoom
    np.testing.assert_array_equal(framed[low:high, low:high], plain[low:high, low:high])
    assert (framed[low - 1, low:high] == 255).all()
    np.testing.assert_array_equal(framed, with_centre_box(plain, zoom=zoom))


def test_the_map_is_enlarged_smoothly_and_the_patch_crisply(patch):
    step = np.zeros((96, 96), np.float32)
    step[:, 48:] = 1
    drawn = overlay(patch, step, opacity=1, centre_box=False, zoom=4)
    assert drawn.shape == (384, 384, 3)
    reds = drawn[0, 186:198, 0].astype(int)
    assert len(set(reds.tolist())) > 3


def test_an_empty_map_is_drawn(patch):
    drawn = overlay(patch, np.zeros((96, 96), np.float32), opacity=1, centre_box=False)
    assert (drawn == colour_table("inferno")[0]).all()


def test_what_cannot_be_drawn_is_refused(patch, ramp):
    with pytest.raises(PatchError, match="float64"):
        overlay(patch / 255, ramp)
    with pytest.raises(AttributionError, match="expected 96×96"):
        overlay(patch, ramp[:48])
    with pytest.raises(AttributionError, match=r"\[-1, 1\]"):
        overlay(patch, ramp * 2)
    with pytest.raises(AttributionError, match=r"\[-1, 1\]"):
        overlay(patch, ramp * np.nan)
    with pytest.raises(ConfigError, match="opacity"):
        overlay(patch, ramp, opacity=1.5)
    with pytest.raises(ConfigError, match="zoom"):
        overlay(patch, ramp, zoom=0)
    with pytest.raises(ConfigError, match="colour table 'jet'"):
        overlay(patch, ramp, colours="jet")
