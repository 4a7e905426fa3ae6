import numpy as np
import pytest

from core.bundle import Bundle
from core.data import Dataset
from core.errors import EvaluationError
from core.evaluation.subgroups import SMALL
from core.prediction import Predictor
from core.scoring.dataset import Scored, score
from core.scoring.subgroups import KINDS, group_name, groups_by, possible_kinds, subgroups_by


@pytest.fixture
def scored(small_demo: Dataset, tiny_bundle: Bundle) -> Scored:
    return score(Predictor(tiny_bundle, device="cpu"), small_demo, split="all")


def test_every_way_takes_the_whole_set_apart(small_demo: Dataset, scored: Scored) -> None:
    kinds = [kind for kind in KINDS if kind not in ("patient", "centre")]  # the demo knows neither
    assert possible_kinds(small_demo, scored) == kinds
    for kind in kinds:
        found = subgroups_by(kind, small_demo, scored, 0.5)
        assert sum(each.n for _, each in found) == len(small_demo)
        assert all(each.is_small == (each.n < SMALL) for _, each in found)


def test_the_share_of_tumour_agrees_with_the_labels(small_demo: Dataset, scored: Scored) -> None:
    found = dict(subgroups_by("tumour", small_demo, scored, 0.5))
    assert found["none"].positives == 0
    assert sum(each.n for name, each in found.items() if name != "none") == int(scored.labels.sum())
    assert all(each.positives == each.n for name, each in found.items() if name != "none")


def test_brightness_groups_hold_what_they_say(small_demo: Dataset, scored: Scored) -> None:
    groups = groups_by("brightness", small_demo, scored)
    pixels = small_demo.store.load(scored.rows).pixels.astype(np.float64)
    brightness = (pixels @ [0.299, 0.587, 0.114]).mean(axis=(1, 2))
    for value, (low, high) in zip(brightness, groups, strict=True):
        assert low - 0.01 <= value <= high + 0.01


def test_what_is_not_known_is_no_way(small_demo: Dataset, scored: Scored) -> None:
    with pytest.raises(EvaluationError, match="'colour'"):
        groups_by("colour", small_demo, scored)


def test_groups_have_names() -> None:
    assert group_name("brightness", (12.4, 99.6)) == "12 to 100"
    assert group_name("stain", 0) == "staining 1"
    assert group_name("slide", None) == "not known"
