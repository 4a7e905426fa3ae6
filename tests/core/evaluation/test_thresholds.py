import numpy as np
import pytest
from sklearn import metrics

from core.errors import EvaluationError
from core.evaluation import (
    best_threshold,
    evaluate,
    threshold_for_sensitivity,
    threshold_for_specificity,
    triage,
    wilson,
)

LABELS = [0, 0, 1, 0, 1, 1]
PROBABILITIES = [0.1, 0.2, 0.3, 0.5, 0.6, 0.9]


def _patches(n, *, seed, decimals=3):
    generator = np.random.default_rng(seed)
    probabilities = generator.beta(0.7, 0.7, n).round(decimals)
    labels = generator.random(n) < probabilities
    labels[:2] = [True, False]
    return labels, probabilities


@pytest.mark.parametrize("seed", range(6))
def test_the_best_threshold_reaches_the_highest_balanced_accuracy(seed):
    labels, probabilities = _patches(150, seed=seed, decimals=seed % 3 + 1)
    highest = max(metrics.balanced_accuracy_score(labels, probabilities >= t) for t in np.append(probabilities, 2.0))
    found = best_threshold(labels, probabilities)
    assert metrics.balanced_accuracy_score(labels, probabilities >= found) == pytest.approx(highest, abs=1e-12)


def test_the_best_threshold_lies_in_the_middle_of_its_gap():
    assert best_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9]) == pytest.approx(0.4)


def test_of_equally_good_gaps_the_one_nearest_one_half_wins():
    # J is 2/3 both in (0.2, 0.3] and in (0.5, 0.6].
    assert best_threshold(LABELS, PROBABILITIES) == pytest.approx(0.55)
    mirrored = best_threshold([1 - y for y in LABELS[::-1]], [1 - p for p in PROBABILITIES[::-1]])
    assert mirrored == pytest.approx(0.45)


def test_constant_predictions_have_a_threshold_too():
    assert best_threshold([0, 1], [0.4, 0.4]) == pytest.approx(0.7)  # of 0.2 and 0.7 the one nearer 0.5
    assert 0 <= best_threshold([0, 1], [1.0, 1.0]) <= 1
    assert best_threshold([0, 1], [0.0, 0.0]) == 0.5


def test_neighbouring_floats_are_still_parted():
    low = 0.3
    high = float(np.nextafter(low, 1))
    threshold = best_threshold([0, 1], [low, high])
    assert low < threshold <= high


def test_a_wanted_sensitivity_is_reached_with_the_best_specificity():
    assert threshold_for_sensitivity(LABELS, PROBABILITIES, at_least=1.0) == pytest.approx(0.25)
    assert threshold_for_sensitivity(LABELS, PROBABILITIES, at_least=0.67) == pytest.approx(0.25)
    assert threshold_for_sensitivity(LABELS, PROBABILITIES, at_least=0.66) == pytest.approx(0.55)
    assert threshold_for_sensitivity(LABELS, PROBABILITIES, at_least=0.0) == pytest.approx(0.95)


def test_a_wanted_specificity_is_reached_with_the_best_sensitivity():
    assert threshold_for_specificity(LABELS, PROBABILITIES, at_least=1.0) == pytest.approx(0.55)
    assert threshold_for_specificity(LABELS, PROBABILITIES, at_least=0.66) == pytest.approx(0.25)
    assert threshold_for_specificity(LABELS, PROBABILITIES, at_least=0.0) == pytest.approx(0.05)
    assert threshold_for_specificity([1, 0], [0.2, 0.8], at_least=1.0) == pytest.approx(0.9)


@pytest.mark.parametrize("target", [0.5, 0.9, 0.98, 0.995])
@pytest.mark.parametrize("seed", range(3))
def test_targets_are_met_and_not_given_away(target, seed):
    labels, probabilities = _patches(400, seed=seed, decimals=2)
    for find, name, other in (
        (threshold_for_sensitivity, "sensitivity", "specificity"),
        (threshold_for_specificity, "specificity", "sensitivity"),
    ):
        threshold = find(labels, probabilities, at_least=target)
        found = evaluate(labels, probabilities, threshold=threshold, resamples=1).metrics
        assert found[name].value >= target
        for rival in np.linspace(0, 1, 51):
            rivals = evaluate(labels, probabilities, threshold=rival, resamples=1).metrics
            if rivals[name].value >= target:
                assert rivals[other].value <= found[other].value


def test_a_share_of_patches_is_not_lost_to_rounding():
    # 0.98 x 50 is 49.0 or a last bit more; 49 of 50 must do.
    probabilities = np.append(np.linspace(0.5, 0.9, 50), 0.1)
    labels = np.append(np.ones(50), 0)
    threshold = threshold_for_sensitivity(labels, probabilities, at_least=0.98)
    assert (probabilities[:50] >= threshold).sum() == 49


def test_targets_that_make_no_sense_are_refused():
    with pytest.raises(EvaluationError, match=r"The sensitivity wanted must be 0 to 1, got 1\.2"):
        threshold_for_sensitivity(LABELS, PROBABILITIES, at_least=1.2)
    with pytest.raises(EvaluationError, match="1 of 2 normal patches have a probability of exactly 1"):
        threshold_for_specificity([1, 0, 0], [0.2, 1.0, 0.1], at_least=0.9)
    for find in (threshold_for_sensitivity, threshold_for_specificity):
        with pytest.raises(EvaluationError, match="labelled tumour"):
            find([1, 1], [0.2, 0.8], at_least=0.9)
    with pytest.raises(EvaluationError, match="labelled normal"):
        best_threshold([0, 0], [0.2, 0.8])


def test_triage_by_hand():
    found = triage(LABELS, PROBABILITIES, clear_below=0.5, suspicious_from=0.6)
    assert (found.n, found.clear, found.review, found.suspicious, found.missed) == (6, 3, 1, 2, 1)
    assert found.share_clear == wilson(3, 6)
    assert found.share_review == wilson(1, 6)
    assert found.cancers_missed == wilson(1, 3)
    assert found.tumour_among_suspicious == wilson(2, 2)


def test_no_missed_cancer_still_has_an_upper_bound():
    labels = [0] * 40 + [1] * 60
    found = triage(labels, [0.1] * 40 + [0.9] * 60, clear_below=0.2, suspicious_from=0.2)
    assert (found.cancers_missed.value, found.cancers_missed.low) == (0.0, 0.0)
    assert found.cancers_missed.high == pytest.approx(0.0602, abs=1e-4)
    assert found.review == 0
    assert not triage(labels, [0.1] * 100, clear_below=0.2, suspicious_from=0.2).tumour_among_suspicious.is_defined


def test_where_slides_are_known_they_carry_the_intervals_of_triage():
    # Of six slides with 10 tumour patches each, one misses all and the others none.
    labels, groups = np.ones(60, int), np.repeat(np.arange(6), 10)
    probabilities = np.where(groups == 0, 0.1, 0.9)
    given = {"clear_below": 0.5, "suspicious_from": 0.5}
    by_slide = triage(labels, probabilities, groups=groups, **given).cancers_missed
    assert by_slide.value == pytest.approx(1 / 6)
    # Left out in turn: 0 once and 1/5 five times. So many patches have this variance; t(0.975; 5) for the normal.
    variance = ((1 / 6) ** 2 + 5 * (1 / 5 - 1 / 6) ** 2) * 5 / 6
    alike = 5 / 36 / variance * (1.959964 / 2.570582) ** 2
    assert by_slide.high == pytest.approx(wilson(alike / 6, alike).high, rel=1e-5)
    # Where no slide differs each counts as one patch, and below four slides nothing can be said.
    none = triage(labels, np.full(60, 0.9), groups=groups, **given).cancers_missed
    assert (none.value, none.high) == (0.0, wilson(0, 6).high)
    assert not triage(labels, probabilities, groups=groups % 3, **given).cancers_missed.has_interval
    # Many slides are resampled.
    groups = np.repeat(np.arange(30), 2)
    many = triage(labels, np.where(groups < 5, 0.1, 0.9), groups=groups, **given).cancers_missed
    assert many.low < wilson(10, 60).low < wilson(10, 60).high < many.high


def test_triage_needs_thresholds_in_order():
    with pytest.raises(EvaluationError, match="swap them"):
        triage(LABELS, PROBABILITIES, clear_below=0.6, suspicious_from=0.5)
