import math

import numpy as np
import pandas as pd
import pytest

from core.errors import EvaluationError
from core.evaluation import evaluate, quantile_bins, subgroups


def _patches(n=120, *, seed=0):
    generator = np.random.default_rng(seed)
    probabilities = generator.random(n)
    return generator.random(n) < probabilities, probabilities


def test_each_slice_is_the_evaluation_of_its_patches():
    labels, probabilities = _patches()
    by = np.array(["b", "a", "c"])[np.arange(120) % 3]
    found = subgroups(labels, probabilities, by, threshold=0.3)
    assert [each.value for each in found] == ["a", "b", "c"]
    for part in found:
        rows = by == part.value
        single = evaluate(labels[rows], probabilities[rows], threshold=0.3, resamples=500)
        assert part.metrics == single.metrics
        assert part.confusion == single.confusion
        assert (part.n, part.positives, part.is_small) == (40, int(labels[rows].sum()), False)


def test_small_slices_are_marked():
    labels, probabilities = _patches(59)
    found = subgroups(labels, probabilities, np.repeat([1, 2], [30, 29]))
    assert [(part.value, part.n, part.is_small) for part in found] == [(1, 30, False), (2, 29, True)]


def test_a_subgroup_of_one_class_has_what_one_class_defines():
    found = subgroups([1, 1, 0], [0.9, 0.2, 0.1], np.array(["t", "t", "n"]))
    assert [each.value for each in found] == ["n", "t"]
    tumour = found[1]
    assert math.isnan(tumour.metrics["auc"].value)
    assert tumour.metrics["sensitivity"].value == 0.5


@pytest.mark.parametrize(
    "by",
    [
        np.array(["x", None, "x"], dtype=object),
        pd.Series(["x", pd.NA, "x"], dtype="string"),
        pd.Series(["x", np.nan, "x"]),
    ],
)
def test_patches_without_a_value_form_the_last_subgroup(by):
    found = subgroups([1, 0, 0], [0.9, 0.2, 0.1], by)
    assert [(each.value, each.n) for each in found] == [("x", 2), (None, 1)]


def test_numpy_values_inside_an_object_array_are_not_missing():
    by = np.array([np.float64(1.5), np.float64(2.5), np.float64("nan")], dtype=object)
    assert [each.value for each in subgroups([1, 0, 0], [0.9, 0.2, 0.1], by)] == [1.5, 2.5, None]


def test_values_without_an_order_of_their_own_are_sorted_as_text():
    by = np.array([2, "a", 1], dtype=object)
    assert [each.value for each in subgroups([1, 0, 0], [0.9, 0.2, 0.1], by)] == [1, 2, "a"]


def test_quantile_bins_hold_about_as_many_each():
    values = np.arange(100, dtype=float)[::-1]
    by = quantile_bins(values)
    found = subgroups(*_patches(100), by)
    assert [each.value for each in found] == [(0.0, 24.0), (25.0, 49.0), (50.0, 74.0), (75.0, 99.0)]
    assert [part.n for part in found] == [25] * 4


def test_equal_values_never_part_and_missing_ones_stay_missing():
    by = quantile_bins([1.0, 1.0, 1.0, 1.0, 2.0, np.nan])
    assert by.tolist() == [(1.0, 1.0)] * 4 + [(2.0, 2.0), None]
    assert quantile_bins([5.0, 5.0]).tolist() == [(5.0, 5.0)] * 2


def test_bad_slices_are_refused():
    with pytest.raises(EvaluationError, match="Got 2 labels, 1 by"):
        subgroups([0, 1], [0.1, 0.9], np.array(["a"]))
    with pytest.raises(EvaluationError, match="0 known values"):
        quantile_bins([np.nan])
