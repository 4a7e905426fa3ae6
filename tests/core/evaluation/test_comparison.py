import math

import numpy as np
import pytest

from core.errors import EvaluationError
from core.evaluation import METRICS, compare, disagreements, evaluate, mcnemar


def _two_models(n, *, seed=0, noise=0.5):
    generator = np.random.default_rng(seed)
    z = generator.normal(0, 2, n)
    labels = generator.random(n) < 1 / (1 + np.exp(-z))
    first, second = (1 / (1 + np.exp(-(z + generator.normal(0, noise * k, n)))) for k in (1, 2))
    return labels, first, second


def test_differences_are_first_minus_second():
    labels, first, second = _two_models(300)
    found = compare(labels, first, second, threshold=0.4, resamples=50)
    one = evaluate(labels, first, threshold=0.4, resamples=1).metrics
    two = evaluate(labels, second, threshold=0.4, resamples=1).metrics
    assert list(found) == list(METRICS)
    for name, estimate in found.items():
        assert estimate.value == pytest.approx(one[name].value - two[name].value, abs=1e-12)
        assert estimate.low <= estimate.value <= estimate.high


def test_swapping_the_models_turns_the_sign():
    labels, first, second = _two_models(300)
    found = compare(labels, first, second, resamples=300)
    swapped = compare(labels, second, first, resamples=300)
    for name in METRICS:
        assert swapped[name].value == pytest.approx(-found[name].value, abs=1e-12)
        assert swapped[name].low == pytest.approx(-found[name].high, abs=1e-12), name


def test_pairing_makes_the_interval_narrower_than_the_two_apart():
    labels, first, second = _two_models(1500, noise=0.2)
    found = compare(labels, first, second, resamples=500)
    one, two = (evaluate(labels, values).metrics for values in (first, second))
    for name in ("auc", "average_precision", "nll", "brier", "accuracy"):
        apart = math.hypot(one[name].high - one[name].low, two[name].high - two[name].low)
        assert found[name].high - found[name].low < 0.6 * apart, name


def test_paired_shares_by_hand():
    # Ten patches; the first model alone is right on 3, the second alone on 1.
    labels = [1] * 10
    first = [0.9] * 9 + [0.1]
    second = [0.1] * 3 + [0.9] * 7
    found = compare(labels, first, second, resamples=20)["sensitivity"]
    more, less = 4 / 12, 2 / 12
    half = 1.959963984540054 * math.sqrt((more + less - (more - less) ** 2) / 12)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((more - less - half, more - less + half))


def test_models_that_never_disagree_are_not_surely_equal():
    labels, first, _ = _two_models(200)
    found = compare(labels, first, first, resamples=20)
    assert found["auc"].value == 0.0
    assert not any(found[name].has_interval for name in ("auc", "nll", "brier", "ece"))
    assert found["accuracy"].value == 0.0
    assert found["accuracy"].low < -0.005
    assert found["accuracy"].high > 0.005


def test_each_model_may_have_its_own_threshold():
    labels, first, _ = _two_models(300)
    squeezed = first * 0.4
    found = compare(labels, first, squeezed, threshold=0.5, second_threshold=0.2, resamples=20)
    assert found["accuracy"].value == 0.0
    assert compare(labels, first, squeezed, threshold=0.5, resamples=20)["accuracy"].value > 0.1


def test_by_slide_the_interval_knows_that_patches_of_a_slide_err_together():
    generator = np.random.default_rng(4)
    slide = np.repeat(np.arange(25), 40)
    labels, first, _ = _two_models(1000)
    shift = generator.normal(0, 1.5, 25)[slide]
    second = 1 / (1 + np.exp(-(np.log(first / (1 - first)) + shift)))
    by_patch = compare(labels, first, second, resamples=400)
    by_slide = compare(labels, first, second, groups=slide, resamples=400)
    for name in ("sensitivity", "specificity"):
        wide, narrow = by_slide[name], by_patch[name]
        assert wide.value == pytest.approx(narrow.value, abs=1e-14)
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_the_same_seed_gives_the_same_difference():
    labels, first, second = _two_models(200)
    assert compare(labels, first, second, resamples=50, seed=1) == compare(labels, first, second, resamples=50, seed=1)
    assert compare(labels, first, second, resamples=50, seed=1) != compare(labels, first, second, resamples=50, seed=2)


def test_one_class_leaves_differences_undefined():
    found = compare([1, 1, 1], [0.2, 0.6, 0.7], [0.6, 0.6, 0.7], resamples=20)
    assert math.isnan(found["auc"].value)
    assert math.isnan(found["specificity"].value)
    assert math.isnan(found["balanced_accuracy"].value)
    assert found["accuracy"].value == pytest.approx(-1 / 3)


def test_bad_input_names_the_second_model():
    with pytest.raises(EvaluationError, match="probabilities of the second model are not a number"):
        compare([0, 1], [0.1, 0.2], [0.1, np.nan])
    with pytest.raises(EvaluationError, match="Got 2 labels, 3 second"):
        compare([0, 1], [0.1, 0.2], [0.1, 0.2, 0.3])


def test_disagreements_come_furthest_apart_first():
    rows = disagreements([0.6, 0.1, 0.9, 0.45, 0.8], [0.4, 0.2, 0.1, 0.55, 0.7], threshold=0.5, second_threshold=0.5)
    assert rows.tolist() == [2, 0, 3]
    assert disagreements([0.6, 0.1], [0.4, 0.2], threshold=0.5, second_threshold=0.15).tolist() == [1]


@pytest.mark.parametrize("slides", [None, 2, 5, 30])
def test_no_difference_is_certain_and_none_by_few_slides_is_narrower_than_by_patch(slides):
    labels, first, second = _two_models(60)
    groups = None if slides is None else np.arange(60) % slides
    by_patch, found = compare(labels, first, second), compare(labels, first, second, groups=groups)
    for name, each in found.items():
        assert each.has_interval is (slides != 2), name
        if each.has_interval:
            assert each.low < each.value < each.high or each.low <= each.value < each.high, name
        if slides == 5:
            assert each.low <= by_patch[name].low, name
            assert each.high >= by_patch[name].high, name


def test_with_few_slides_the_difference_has_students_t_over_slides_left_out():
    # Four slides of two tumour patches; the first model is right on 2, 2, 2 and 1 of them, the second on 1, 1, 0 and 1.
    labels, slides = [1] * 8, [0, 0, 1, 1, 2, 2, 3, 3]
    first = np.array([9, 9, 9, 9, 9, 9, 9, 1]) / 10
    second = np.array([9, 1, 9, 1, 1, 1, 9, 1]) / 10
    found = compare(labels, first, second, groups=slides)["accuracy"]
    # Differences of slides .5, .5, 1, 0: without each in turn the mean is 1/2, 1/2, 1/3, 2/3. t(0.975; 3) = 3.182446.
    half = 3.182446 * math.sqrt(3 / 4 * 2 * (1 / 6) ** 2)
    assert (found.low, found.high) == pytest.approx((0.5 - half, 1.0), abs=1e-6)


def test_gains_on_five_patches_have_a_width_or_no_interval():
    found = compare([0, 1, 0, 1, 0], [0.2, 0.9, 0.3, 0.6, 0.1], [0.3, 0.8, 0.6, 0.7, 0.2])
    assert all(each.low < each.high for each in found.values() if each.has_interval)
    assert not found["auc"].has_interval  # two tumour patches
    assert found["brier"].has_interval


@pytest.mark.slow
def test_paired_intervals_cover_the_difference():
    labels, first, second = _two_models(1_000_000, seed=50)
    one, two = (evaluate(labels, values, resamples=1).metrics for values in (first, second))
    names = ("auc", "accuracy", "sensitivity", "nll")
    hits = dict.fromkeys(names, 0)
    for seed in range(400):
        found = compare(*_two_models(400, seed=seed), resamples=300)
        for name in names:
            truth = one[name].value - two[name].value
            hits[name] += found[name].low <= truth <= found[name].high
    for name in names:
        assert 0.92 <= hits[name] / 400 <= 0.98, hits


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [(0, 0, 1.0), (5, 0, 2 * 0.5**5), (1, 9, 2 * 11 / 1024), (4, 4, 1.0)],
)
def test_mcnemar_is_the_exact_binomial_test_of_the_patches_on_which_one_is_right(only_first, only_second, p) -> None:
    labels = np.array([1, 0] * 20)
    right, wrong = np.where(labels, 0.9, 0.1), np.where(labels, 0.1, 0.9)
    first, second = right.copy(), right.copy()
    second[:only_first] = wrong[:only_first]
    first[20 : 20 + only_second] = wrong[20 : 20 + only_second]
    found = mcnemar(labels, first, second, threshold=0.5, second_threshold=0.5)
    assert (found.n, found.only_first, found.only_second) == (40, only_first, only_second)
    assert found.p == pytest.approx(p)


def test_mcnemar_takes_each_model_at_its_own_threshold_and_wants_a_label_for_each_patch() -> None:
    found = mcnemar([1, 1, 0], [0.6, 0.4, 0.3], [0.6, 0.4, 0.3], threshold=0.5, second_threshold=0.35)
    assert (found.only_first, found.only_second) == (0, 1)
    with pytest.raises(EvaluationError, match="as many of each"):
        mcnemar([1, 0], [0.5] * 3, [0.5] * 3, threshold=0.5, second_threshold=0.5)
