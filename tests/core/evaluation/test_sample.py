import numpy as np
import pandas as pd
import pytest

from core.errors import EvaluationError, NodescopeError
from core.evaluation import compare, evaluate, fit_calibration, roc_points, subgroups
from core.evaluation.sample import sample_of


@pytest.mark.parametrize(
    ("labels", "probabilities", "said"),
    [
        ([], [], "There are no labels: the list is empty"),
        (None, [0.5], "There are no labels. Metrics need a label"),
        ([0, 1, np.nan], [0.1, 0.2, 0.3], "Labels are missing for 1 of 3 patches"),
        ([0, None, None], [0.1, 0.2, 0.3], "Labels are missing for 2 of 3 patches"),
        (pd.array([0, 1, pd.NA], dtype="Int64"), [0.1, 0.2, 0.3], "Labels are missing for 1 of 3 patches"),
        (np.array([0, 1, pd.NA], dtype=object), [0.1, 0.2, 0.3], "labels are missing or are not numbers"),
        ([0, 2, 1], [0.1, 0.2, 0.3], "1 labels are neither 0 .normal. nor 1 .tumour., the first is 2"),
        (["0", "1"], [0.1, 0.2], "expected numbers"),
        ([0, 1], [0.1, np.nan], r"1 of 2 probabilities are not a number \(NaN\)"),
        ([0, 1], [0.1, 1.5], r"1 probabilities lie outside \[0, 1\], the first is 1.5"),
        ([0, 1], [-3.0, 0.5], "convert them to probabilities first"),
        ([0, 1], [0.1, 0.2, 0.3], "Got 2 labels, 3 probabilities"),
        ([[0, 1]], [0.1, 0.2], r"shape \(1, 2\)"),
    ],
)
def test_bad_input_is_named(labels, probabilities, said):
    with pytest.raises(EvaluationError, match=said):
        evaluate(labels, probabilities)


@pytest.mark.parametrize("groups", [["a", None], [1.0, np.nan], pd.array(["a", pd.NA], dtype="string")])
def test_unknown_slides_are_refused(groups):
    with pytest.raises(EvaluationError, match="The slide is unknown for 1 of 2 patches"):
        evaluate([0, 1], [0.1, 0.9], groups=groups)


def test_slides_must_be_as_many_as_patches():
    with pytest.raises(EvaluationError, match="Got 2 labels, 3 groups"):
        evaluate([0, 1], [0.1, 0.9], groups=[1, 2, 3])


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan])
def test_a_threshold_must_be_a_share(threshold):
    with pytest.raises(EvaluationError, match="The threshold must be 0 to 1, got"):
        evaluate([0, 1], [0.1, 0.9], threshold=threshold)


def test_one_class_is_refused_where_nothing_is_left_to_say():
    for call in (
        lambda: roc_points([1, 1], [0.2, 0.3]),
        lambda: fit_calibration([0.2, 0.3], [1, 1]),
    ):
        with pytest.raises(EvaluationError, match="All 2 patches are labelled tumour"):
            call()


def test_errors_are_errors_of_nodescope_in_every_room():
    with pytest.raises(NodescopeError):
        compare([0, 1], [0.1, 0.9], [0.1, np.nan])
    with pytest.raises(NodescopeError):
        subgroups([0, 1], [0.1, 0.9], np.array(["a"]))
    with pytest.raises(NodescopeError, match=r"resamples must be at least 1 .*got 0"):
        evaluate([0, 1], [0.1, 0.9], resamples=0)


@pytest.mark.parametrize(
    "labels",
    [
        [True, False, True],
        [1.0, 0.0, 1.0],
        pd.Series([1, 0, 1], dtype="Int64"),
        np.array([1, 0, 1], dtype=object),
        np.array([1, 0, 1], dtype=np.uint8),
    ],
)
def test_labels_of_every_kind_are_read(labels):
    sample = sample_of(labels, np.array([0.5, 0.25, 1.0], dtype=np.float32))
    assert sample.labels.tolist() == [True, False, True]
    assert sample.probabilities.tolist() == [0.5, 0.25, 1.0]
    assert (sample.n, sample.positives, sample.negatives, sample.units) == (3, 2, 1, 3)


def test_slides_are_numbered_and_counted_by_class():
    sample = sample_of([1, 0, 0, 0], [0.1, 0.2, 0.3, 0.4], np.array(["s9", "s9", "s1", "s4"], dtype=object))
    assert sample.slides.tolist() == [2, 2, 0, 1]
    assert (sample.units, sample.units_with(True), sample.units_with(False)) == (3, 1, 3)
