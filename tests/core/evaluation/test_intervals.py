import json
import math

import numpy as np
import pytest
from scipy.stats import binomtest

from core.errors import EvaluationError
from core.evaluation import Estimate, wilson
from core.evaluation.calibration_error import calibration_gaps, ece_interval, gap_covariance, gap_noise
from core.evaluation.intervals import (
    auc_interval,
    average_precision_influence,
    average_precision_interval,
    mean_interval,
    newcombe_auc,
    operating_intervals,
)
from core.evaluation.sample import sample_of


def test_an_estimate_reads_like_a_sentence():
    assert str(Estimate(0.98, 0.9741, 0.9849)) == "0.980 (0.974–0.985)"
    assert str(Estimate(-0.015, -0.024, -0.008)) == "-0.015 (-0.024 to -0.008)"
    assert str(Estimate(0.98, math.nan, math.nan)) == "0.980 (no interval)"
    assert str(Estimate(math.nan, math.nan, math.nan)) == "undefined"


@pytest.mark.parametrize("estimate", [Estimate(1 / 3, 0.1, 2 / 3), Estimate(0.5, math.nan, math.nan)])
def test_an_estimate_travels_through_strict_json(estimate):
    text = json.dumps(estimate.to_json(), allow_nan=False)
    back = Estimate.from_json(json.loads(text))
    assert back.to_json() == estimate.to_json()
    assert back.value == estimate.value


def test_a_damaged_estimate_is_refused():
    with pytest.raises(EvaluationError, match="stored estimate cannot be read"):
        Estimate.from_json({"value": 1.0, "low": 0.5})


@pytest.mark.parametrize(("count", "total"), [(0, 10), (10, 10), (1, 7), (81, 263), (1, 1)])
def test_wilson_is_that_of_scipy(count, total):
    expected = binomtest(count, total).proportion_ci(method="wilson")
    found = wilson(count, total)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found.value == count / total


def test_a_share_of_nothing_is_undefined():
    assert not wilson(0, 0).is_defined


def test_mean_interval_by_hand():
    # Standard deviation 1, 3 values: 2 -+ 4.302653 / sqrt(3).
    found = mean_interval(np.array([1.0, 2.0, 3.0]))
    assert found.high == pytest.approx(2 + 4.302652729911275 / math.sqrt(3))
    assert found.low == 0.0
    assert not mean_interval(np.array([1.0])).has_interval


def test_the_auc_has_the_variance_of_delong():
    # Tumour 0.9, 0.6, 0.2 beat 1, 1/2, 1/2 of the normal ones (0.7, 0.1), which lose to 1/3 and 1.
    labels = np.array([True, True, True, False, False])
    variance = np.var([1, 1 / 2, 1 / 2], ddof=1) / 3 + np.var([1 / 3, 1], ddof=1) / 2
    half = 1.959963984540054 * math.sqrt(variance) / (2 / 3 * 1 / 3)
    found = auc_interval(labels, np.array([0.9, 0.6, 0.2, 0.7, 0.1]))
    assert found.value == pytest.approx(2 / 3)
    assert found.low == pytest.approx(1 / (1 + math.exp(-(math.log(2) - half))))
    assert found.high == pytest.approx(1 / (1 + math.exp(-(math.log(2) + half))))


def test_a_perfect_auc_still_has_an_interval_that_narrows_with_more_patches():
    few = auc_interval(np.arange(10) >= 5, np.linspace(0, 1, 10))
    many = auc_interval(np.arange(1000) >= 500, np.linspace(0, 1, 1000))
    assert (few.value, few.high, many.value, many.high) == (1.0, 1.0, 1.0, 1.0)
    assert 0.5 < few.low < 0.8 < 0.98 < many.low < 1.0
    worst = auc_interval(np.arange(10) < 5, np.linspace(0, 1, 10))
    assert (worst.low, worst.high) == (0.0, pytest.approx(1 - few.low))


def test_newcombe_ends_are_roots_of_its_equation():
    found = newcombe_auc(0.85, 20, 30)
    for theta in (found.low, found.high):
        spread = 1 + 24 * (1 - theta) / (2 - theta) + 24 * theta / (1 + theta)
        variance = theta * (1 - theta) * spread / 600
        assert abs(0.85 - theta) == pytest.approx(1.959963984540054 * math.sqrt(variance), rel=1e-9)


def test_average_precision_changes_with_a_weight_as_its_influence_says():
    generator = np.random.default_rng(3)
    labels = generator.random(40) < 0.4
    scores = generator.random(40).round(1)

    def weighted(weights):
        value = 0.0
        for i in np.flatnonzero(labels):
            above = scores >= scores[i]
            value += weights[i] * (weights * labels)[above].sum() / weights[above].sum()
        return value / (weights * labels).sum()

    value, influence = average_precision_influence(labels, scores)
    assert value == pytest.approx(weighted(np.ones(40)), abs=1e-14)
    step = 1e-5
    for i in range(40):
        more, less = np.ones(40), np.ones(40)
        more[i] += step
        less[i] -= step
        assert influence[i] == pytest.approx((weighted(more) - weighted(less)) / (2 * step), abs=1e-8)


def test_a_perfect_average_precision_has_the_wilson_interval_of_its_tumour_patches():
    found = average_precision_interval(np.arange(30) >= 20, np.linspace(0, 1, 30))
    assert found == wilson(10, 10)


def test_perfect_decisions_leave_no_figure_without_a_width():
    found = operating_intervals(np.array([50.0, 0, 0, 50]), draws=500, seed=0)
    for estimate in found.values():
        assert estimate.value == estimate.high == 1.0
        assert 0.8 < estimate.low < 0.99


def test_balanced_accuracy_and_f1_take_their_intervals_from_shares():
    found = operating_intervals(np.array([80.0, 20, 10, 40]), draws=100, seed=0)
    sensitivity, specificity = wilson(40, 50), wilson(80, 100)
    half = math.hypot(0.8 - sensitivity.low, 0.8 - specificity.low) / 2
    assert found["balanced_accuracy"].low == pytest.approx(0.8 - half)
    jaccard = wilson(40, 70)
    assert found["f1"].value == pytest.approx(80 / 110)
    assert found["f1"].high == pytest.approx(2 * jaccard.high / (1 + jaccard.high))


def test_the_ece_of_clear_gaps_has_the_interval_of_their_mean():
    # One bin, so the ECE is |mean gap| and, far from 0, the interval is the usual one.
    labels = np.repeat([0, 1], [700, 300])
    sample = sample_of(labels, np.full(1000, 0.5))
    found = ece_interval(calibration_gaps(sample), gap_noise(sample, draws=20_000, seed=0))
    half = 1.96 * math.sqrt(0.21 / 999)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.2 - half, 0.2 + half), abs=2e-3)


def test_gap_noise_has_the_covariance_of_the_terms():
    generator = np.random.default_rng(0)
    p = generator.random(3000)
    sample = sample_of(generator.random(3000) < p**2, p)
    terms = np.zeros((3000, 15))
    terms[np.arange(3000), np.minimum((p * 15).astype(int), 14)] = p - sample.labels
    expected = np.cov(terms.T) / 3000
    assert gap_covariance(sample) == pytest.approx(expected, abs=1e-15)
    noise = gap_noise(sample, draws=40_000, seed=1)
    assert np.cov(noise.T) == pytest.approx(expected, abs=0.03 * expected.max())
    assert noise.mean(axis=0) == pytest.approx(np.zeros(15), abs=5 * np.sqrt(expected.max() / 40_000))


def test_no_gap_at_all_is_an_ece_of_zero_whose_interval_starts_there():
    found = ece_interval(np.zeros(3), np.full((10, 3), 0.01))
    assert (found.value, found.low, found.high) == (0.0, 0.0, pytest.approx(0.03))
