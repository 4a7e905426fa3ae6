"""Bands of curves: what they must hold, and how often they do."""

import numpy as np
import pytest
from scipy.stats import norm

from core.errors import EvaluationError
from core.evaluation import pr_band, roc_band, wilson

SHIFT = 1.8
"""Distance of the two classes in standard deviations, whose ROC curve is known."""


def drawn(n: int, *, seed: int, slides: int = 0, spread: float = 0.0):
    """Return labels, probabilities and slides of n patches; each slide shifts all of its patches."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    groups = np.repeat(np.arange(slides), n // slides) if slides else None
    effect = generator.normal(0, spread, slides)[groups] if slides else 0.0
    return labels, norm.cdf(generator.normal(size=n) + effect + SHIFT * labels - SHIFT / 2), groups


@pytest.mark.parametrize(("n", "slides", "spread"), [(400, 0, 0.0), (400, 8, 0.8), (800, 40, 0.8)])
def test_the_bands_hold_the_true_curves_as_often_as_they_say(n: int, slides: int, spread: float) -> None:
    total, roc, precision = np.hypot(1, spread), [], []
    for seed in range(40):
        given = drawn(n, seed=seed, slides=slides, spread=spread)
        band, other = roc_band(*given), pr_band(*given)
        truth = norm.cdf(SHIFT / total + norm.ppf(band.x))
        roc.append((band.low <= truth) & (truth <= band.high))
        alarms = norm.sf((SHIFT - total * norm.ppf(other.x)) / total)
        truth = other.x / (other.x + alarms)
        precision.append((other.low <= truth) & (truth <= other.high))
    # 40 draws at 80 places that depend on each other: a band of 90% fails this, and so does one of half the width.
    assert np.mean(roc) > 0.93
    assert np.mean(precision) > 0.93


def test_slides_that_differ_widen_the_band_and_it_says_what_it_is_over() -> None:
    labels, probabilities, groups = drawn(400, seed=0, slides=8, spread=1.0)
    by_patch, by_slide = roc_band(labels, probabilities), roc_band(labels, probabilities, groups)
    assert (by_patch.over, by_slide.over) == ("patch", "slide")
    assert (by_slide.low <= by_patch.low).all()
    assert (by_slide.high >= by_patch.high).all()
    assert (by_slide.high - by_slide.low).mean() > 1.5 * (by_patch.high - by_patch.low).mean()


def test_a_perfect_model_has_the_interval_of_a_share_of_all() -> None:
    band = roc_band([0] * 30 + [1] * 20, [0.1] * 30 + [0.9] * 20)
    assert band.high == pytest.approx(1.0)
    assert band.low[:-1] == pytest.approx(wilson(20, 20).low)  # in the corner all is called tumour
    assert pr_band([0] * 30 + [1] * 20, [0.1] * 30 + [0.9] * 20).low[-1] == pytest.approx(wilson(20, 20).low)


def test_a_perfect_model_on_few_slides_counts_each_as_one_patch() -> None:
    labels, groups = [0, 1] * 30, np.repeat(np.arange(6), 10)
    assert roc_band(labels, np.array(labels) * 0.8 + 0.1, groups).low[:-1] == pytest.approx(wilson(6, 6).low)


@pytest.mark.parametrize("band", [roc_band, pr_band])
def test_fewer_than_four_slides_of_a_class_have_no_band(band) -> None:
    labels, probabilities, groups = drawn(90, seed=0, slides=3)
    assert band(labels, probabilities, groups) is None
    # Ten slides, of which three hold all of the tumour.
    groups = np.where(labels == 1, groups, 3 + np.arange(90) % 7)
    assert band(labels, probabilities, groups) is None
    assert band(labels, probabilities) is not None


def test_nothing_is_claimed_below_one_false_alarm() -> None:
    assert roc_band(*drawn(100, seed=0)).x.min() >= 1 / 50
    with pytest.raises(EvaluationError, match="both tumour and normal"):
        roc_band([1, 1], [0.2, 0.3])


def test_the_same_seed_gives_the_same_band() -> None:
    first, second = (roc_band(*drawn(200, seed=1, slides=25), seed=3) for _ in range(2))
    assert np.array_equal(first.low, second.low)
