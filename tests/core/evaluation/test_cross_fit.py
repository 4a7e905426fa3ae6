"""Cross-fitting of calibration and threshold: honest where fitting and measuring on the same patches is not."""

import numpy as np
import pytest

from core.evaluation import cross_fit


def _drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and logits whose true log-odds are a half of them plus 0.3."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 4, count)
    return (random.random(count) < 1 / (1 + np.exp(-(logits / 2 + 0.3)))).astype(int), logits


def test_many_patches_of_a_model_that_can_be_calibrated_have_hardly_an_error() -> None:
    labels, logits = _drawn(6_000)

    found = cross_fit(labels, logits)

    assert found is not None
    assert found.ece < 0.02
    # Both errors weigh alike where the true probability is the share of tumour.
    best = 1 / (1 + np.exp(-(logits / 2 + 0.3))) > labels.mean()
    assert found.sensitivity == pytest.approx(best[labels == 1].mean(), abs=0.04)
    assert found.specificity == pytest.approx((~best[labels == 0]).mean(), abs=0.04)
    assert "measured on the other" in found.sentence


def test_what_is_learnt_by_heart_is_not_counted() -> None:
    """Logits without any relation to the labels: the best threshold of 60 patches looks good on these alone."""
    found = [cross_fit(np.arange(60) % 2, np.random.default_rng(seed).normal(size=60)) for seed in range(20)]

    balanced = [(each.sensitivity + each.specificity) / 2 for each in found if each]
    assert np.mean(balanced) == pytest.approx(0.5, abs=0.03)


def test_slides_are_never_divided() -> None:
    """Each slide has its own label and its own logit: by patch all are known, by slide half of them are not."""
    slides = np.repeat(np.arange(40), 25)
    logits = np.repeat(np.random.default_rng(3).normal(size=40), 25) + np.random.default_rng(4).normal(0, 1e-3, 1000)
    labels = np.repeat(np.random.default_rng(5).integers(0, 2, 40), 25)

    by_patch, by_slide = cross_fit(labels, logits), cross_fit(labels, logits, groups=slides)

    assert by_patch is not None and by_slide is not None  # noqa: PT018 - for the type checker
    assert by_slide.ece > by_patch.ece


def test_halves_without_a_class_give_nothing() -> None:
    assert cross_fit([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4]) is None
    assert cross_fit([0, 1] * 10, np.arange(20.0), groups=["a"] * 20) is None
