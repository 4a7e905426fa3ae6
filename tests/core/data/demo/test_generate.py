import numpy as np
import pandas as pd
import pytest

from core.data.demo import DemoPatches, generate_demo
from core.data.demo.generate import MIN_TUMOUR_SHARE

SLIDES, PER_SLIDE = 6, 30


@pytest.fixture(scope="module")
def demo() -> DemoPatches:
    return generate_demo(seed=3, slides=SLIDES, patches_per_slide=PER_SLIDE)


@pytest.fixture(scope="module")
def small() -> DemoPatches:
    return generate_demo(seed=3, slides=3, patches_per_slide=PER_SLIDE)


def test_types_and_sizes(demo):
    n = SLIDES * PER_SLIDE
    assert (demo.patches.shape, demo.patches.dtype) == ((n, 96, 96, 3), np.uint8)
    assert (demo.masks.shape, demo.masks.dtype) == ((n, 96, 96), np.bool_)
    assert list(demo.table.columns) == ["id", "label", "split", "slide"]
    assert demo.table["label"].dtype == pd.Int8Dtype()


def test_ids_are_in_order_and_name_the_slide(demo):
    assert demo.table["id"].is_unique
    assert demo.table["id"].iloc[0] == "demo-s00-p000"
    assert demo.table["id"].iloc[-1] == f"demo-s{SLIDES - 1:02d}-p{PER_SLIDE - 1:03d}"
    assert demo.table["id"].is_monotonic_increasing
    assert (demo.table["id"].str.rsplit("-", n=1).str[0] == demo.table["slide"]).all()


def test_the_same_seed_gives_the_same_patches_whatever_the_number_of_slides(demo, small):
    n = 3 * PER_SLIDE
    np.testing.assert_array_equal(small.patches, demo.patches[:n])
    np.testing.assert_array_equal(small.masks, demo.masks[:n])
    pd.testing.assert_series_equal(small.table["label"], demo.table["label"][:n])


def test_another_seed_gives_other_patches(small):
    other = generate_demo(seed=4, slides=3, patches_per_slide=PER_SLIDE)
    assert not np.array_equal(other.patches, small.patches)
    assert (other.patches == small.patches).mean() < 0.1


def test_the_label_is_any_tumour_in_the_centre_and_none_is_borderline(demo):
    centre = demo.masks[:, 32:64, 32:64]
    label = demo.table["label"].to_numpy(int)
    np.testing.assert_array_equal(label, centre.any(axis=(1, 2)).astype(int))
    share = centre.mean(axis=(1, 2))
    assert share[label == 1].min() >= MIN_TUMOUR_SHARE
    assert share[label == 0].max() == 0


def test_four_in_ten_are_tumour_and_both_classes_are_on_every_slide(demo):
    assert demo.table["label"].mean() == pytest.approx(0.4, abs=0.06)
    per_slide = demo.table.groupby("slide")["label"].mean()
    assert per_slide.min() >= 0.2
    assert per_slide.max() <= 0.6


def test_some_normal_patches_have_tumour_in_the_rim(demo):
    normal = demo.masks[demo.table["label"].to_numpy(int) == 0]
    assert 0.10 <= normal.any(axis=(1, 2)).mean() <= 0.16


def test_splits_share_no_slide_and_none_is_empty(demo):
    splits = demo.table.groupby("slide")["split"].nunique()
    assert (splits == 1).all()
    counts = demo.table.drop_duplicates("slide")["split"].value_counts()
    assert counts.to_dict() == {"train": 4, "valid": 1, "test": 1}


def test_no_patch_is_there_twice(demo):
    assert len({patch.tobytes() for patch in demo.patches}) == len(demo.patches)


def test_the_colours_use_the_range_of_real_patches(demo):
    low, high = np.percentile(demo.patches, [1, 99])
    assert low < 60
    assert high > 235
    red, green, blue = demo.patches.mean(axis=(0, 1, 2))
    assert green < red - 15, "H&E takes most from green"
    assert green < blue - 15


def test_slides_differ_in_stain_more_than_the_patches_of_one_slide(demo):
    density = -np.log((demo.patches.astype(np.float32) + 1) / 256)
    # The ratio of two channels' densities depends on the stain's hue, and hardly on how much tissue there is.
    hue = density[..., 2].mean(axis=(1, 2)) / density[..., 1].mean(axis=(1, 2))
    grouped = pd.Series(hue).groupby(demo.table["slide"].to_numpy())
    assert grouped.mean().std() > 2 * grouped.std().mean()


def test_brightness_alone_does_not_tell_the_classes_apart(demo):
    label = demo.table["label"].to_numpy(int)
    brightness = demo.patches.mean(axis=(1, 2, 3))
    best = max(np.mean((brightness > level) == label) for level in np.unique(brightness))
    assert max(best, 1 - best) < 0.8


def test_progress_rises_to_one():
    shares: list[float] = []
    generate_demo(slides=3, patches_per_slide=1, progress=shares.append)
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])
