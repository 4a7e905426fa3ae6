"""Areas, foci and classes of maps that are counted by hand."""

import math
from pathlib import Path

import numpy as np
import pytest

from core.bundle import load_bundle
from core.errors import ConfigError, DataError
from core.slides.measures import Rule, class_of, foci_of, measure
from core.slides.slide_map import FILE, SlideMap

NAN = math.nan


def map_of(probability: list[list[float]] | np.ndarray, **given: object) -> SlideMap:
    values = np.array(probability, np.float16)
    ood = np.full(values.shape, np.nan, np.float16)
    told = {
        "origin": (128.0, 64.0), "step": 100.0, "mpp": 0.5, "bundle": "abc", "ood": ood,
        "examined": 0, "unlike": 0, "blurred": 0, "pen_mm2": 0.0, "key": "k",
    }  # fmt: skip
    return SlideMap(values, **{**told, **given})


SMALL = [
    [NAN, 0.1, 0.9, 0.1, 0.1],
    [0.1, 0.1, 0.1, 0.75, 0.1],
    [0.1, 0.6, 0.1, 0.1, 0.95],
    [0.6, 0.6, 0.1, 0.1, NAN],
]  # cells of 50 µm: 0.0025 mm²


def test_measures_of_a_small_map_by_hand() -> None:
    measures = measure(map_of(SMALL), Rule(0.5, least_mm2=0.005))

    assert measures.tissue_mm2 == pytest.approx(18 * 0.0025)
    assert measures.tumour_mm2 == pytest.approx(6 * 0.0025)
    assert measures.tumour_share == pytest.approx(6 / 18)
    assert measures.highest == pytest.approx(0.95, abs=5e-4)
    first, second = measures.foci
    assert first.at == (128 + 450, 64 + 250)
    assert first.probability == pytest.approx(0.95, abs=5e-4)
    assert first.mean == pytest.approx((0.9 + 0.75 + 0.95) / 3, abs=5e-4)
    assert first.area_mm2 == pytest.approx(0.0075)
    assert first.longest_mm == pytest.approx(0.05 * math.hypot(3, 3))
    assert len(first.polygons) == 3  # cells that touch at corners
    assert second.area_mm2 == pytest.approx(0.0075)
    assert second.longest_mm == pytest.approx(0.05 * math.hypot(2, 2))
    assert len(second.polygons) == 1
    assert sorted(map(tuple, second.polygons[0][0])) == sorted(
        [(228.0, 264.0), (328.0, 264.0), (328.0, 464.0), (128.0, 464.0), (128.0, 364.0), (228.0, 364.0)]
    )


@pytest.mark.parametrize(
    ("rule", "foci", "cells"),
    [
        (Rule(0.5, least_mm2=0.0), 2, 6),
        (Rule(0.5, least_mm2=0.0076), 0, 0),
        (Rule(0.5, peak=0.7, least_mm2=0.0), 1, 3),
        (Rule(0.8, least_mm2=0.0), 2, 2),
        (Rule(0.0, least_mm2=0.0), 1, 18),
        (Rule(1.0, least_mm2=0.0), 0, 0),
    ],
)
def test_a_rule_takes_sure_areas_that_are_large_enough(rule: Rule, foci: int, cells: int) -> None:
    measures = measure(map_of(SMALL), rule)

    assert len(measures.foci) == foci
    assert measures.tumour_mm2 == pytest.approx(cells * 0.0025)


def test_a_slide_without_tissue_has_no_share() -> None:
    measures = measure(map_of(np.full((3, 4), np.nan)), Rule(0.5))

    assert measures.tissue_mm2 == 0
    assert measures.tumour_share is None
    assert measures.highest is None
    assert measures.foci == ()


@pytest.mark.parametrize(
    ("longest", "kind"),
    [(0, "negative"), (0.05, "ITC"), (0.199, "ITC"), (0.2, "micro"), (1.99, "micro"), (2.0, "macro")],
)
def test_the_class_follows_from_the_longest_extent(longest: float, kind: str) -> None:
    assert class_of(longest) == kind


def test_the_rule_of_a_bundle_comes_from_its_validation_curve() -> None:
    card = load_bundle().card
    rule = Rule.of(card)

    assert card.operating is not None
    assert card.operating.at(rule.threshold)[1].value >= 0.955
    assert card.operating.at(rule.peak)[1].value >= 0.995
    assert card.threshold <= rule.threshold < rule.peak < 1
    assert Rule.of(card, 0.7) == Rule(0.7, rule.peak)
    with pytest.raises(ConfigError, match="must be 0 to 1, got 1"):
        Rule.of(card, 1.5)


def test_foci_are_numbered_without_gaps() -> None:
    labels = foci_of(np.array([[0.9, 0, 0.9], [0, 0, 0.9]]), Rule(0.5), fewest=2)

    assert labels.tolist() == [[0, 0, 1], [0, 0, 1]]


def test_a_map_is_found_again_as_it_was_written(tmp_path: Path) -> None:
    before = map_of(SMALL, examined=4, unlike=1, blurred=2, pen_mm2=0.25)
    before.save(tmp_path)
    first = (tmp_path / FILE).read_bytes()
    after = SlideMap.load(tmp_path)

    assert after is not None
    np.testing.assert_array_equal(after.probability, before.probability)
    for name in ("origin", "step", "mpp", "bundle", "examined", "unlike", "blurred", "pen_mm2", "key"):
        assert getattr(after, name) == getattr(before, name)
    with np.load(tmp_path / FILE) as stored:
        assert stored["probability"].dtype == np.float16
        assert stored["origin"].tolist() == [128.0, 64.0]
        assert float(stored["step"]) == 100.0
        assert str(stored["bundle"]) == "abc"
    before.save(tmp_path)
    assert (tmp_path / FILE).read_bytes() == first
    (tmp_path / FILE).write_bytes(first[:-30])
    with pytest.raises(DataError, match=r"map.npz is damaged .* Delete it and predict the slide again"):
        SlideMap.load(tmp_path)
    assert SlideMap.load(tmp_path / "none") is None


def test_places_and_cells_belong_together() -> None:
    found = map_of(SMALL)

    assert found.middle(2, 4) == (578.0, 314.0)
    assert found.cell_at(578.0, 314.0) == (2, 4)
    assert found.cell_at(127.9, 64.0) is None
    assert found.cell_at(128.0, 64.0) == (0, 0)
    values = found.at(np.array([100.0, 329.0, 578.0]), np.array([70.0, 314.0, 464.0]))
    np.testing.assert_allclose(values, [[NAN, 0.9, 0.1], [NAN, 0.1, 0.95], [NAN, NAN, NAN]], atol=5e-4)
