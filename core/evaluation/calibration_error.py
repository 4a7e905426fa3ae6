"""Expected calibration error: its bins, its value and an interval that covers it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from core.evaluation.estimate import Estimate, holding
from core.evaluation.metrics import ECE_BINS
from core.evaluation.sample import FloatArray, IntArray, Sample, checked_probabilities

_STEPS = 30


def bin_of(probabilities: npt.ArrayLike) -> IntArray:
    """Return the number of the bin, 0 to `ECE_BINS` - 1, of each probability.

    Bins have equal width and hold their upper edge, (k/15, (k+1)/15]; the first also holds 0. These are
    the bins of Guo et al. 2017 and of scikit-learn's `calibration_curve`; being fixed in advance, they are
    the same for all models and mean the same in every resample.
    """
    edges = np.linspace(0.0, 1.0, ECE_BINS + 1)
    return np.searchsorted(edges[1:-1], checked_probabilities(probabilities)).astype(np.intp)


def calibration_gaps(sample: Sample) -> FloatArray:
    """Return, for each bin, (mean probability - share of tumour) x share of all patches.

    The ECE is the sum of their sizes.

    Returns:
        (B,) float64 of the `ECE_BINS` bins; 0 for an empty one.
    """
    excess = sample.probabilities - sample.labels
    return np.bincount(bin_of(sample.probabilities), weights=excess, minlength=ECE_BINS) / sample.n


def gap_covariance(sample: Sample) -> FloatArray:
    """Return the covariance of the sampling errors of `calibration_gaps`, patches taken as independent.

    Each gap is a mean over all patches, of (probability - label) in the bin and 0 elsewhere.

    Returns:
        (B, B) float64; 0 for a single patch.
    """
    excess = sample.probabilities - sample.labels
    squares = np.bincount(bin_of(sample.probabilities), weights=excess**2, minlength=ECE_BINS) / sample.n
    gaps = calibration_gaps(sample)
    return np.asarray((np.diag(squares) - np.outer(gaps, gaps)) / max(sample.n - 1, 1), dtype=np.float64)


def gap_noise(sample: Sample, *, draws: int, seed: int) -> FloatArray:
    """Draw sampling errors of `calibration_gaps`, patches taken as independent.

    By the central limit theorem they are normal with the covariance of `gap_covariance`; as that is estimated from
    the same patches, the draws have Student's t distribution.

    Returns:
        (draws, B) float64, mean 0.
    """
    strengths, axes = np.linalg.eigh(gap_covariance(sample))
    spread = np.sqrt(np.clip(strengths, 0, None))[:, None] * axes.T
    return student_draws(spread, units=sample.n, draws=draws, seed=seed)


def student_draws(spread: FloatArray, *, units: int, draws: int, seed: int) -> FloatArray:
    """Draw from a multivariate t distribution with units - 1 degrees of freedom.

    Args:
        spread: (K, B) float64; its rows times independent standard normal numbers have the wanted covariance.
        units: how many slides or patches that covariance was estimated from.
        draws: how many.
        seed: makes the draws repeatable.

    Returns:
        (draws, B) float64, mean 0.
    """
    generator = np.random.default_rng(seed)
    normal = generator.standard_normal((draws, len(spread)))
    freedom = max(units - 1, 1)
    return np.asarray(normal @ spread / np.sqrt(generator.chisquare(freedom, (draws, 1)) / freedom), dtype=np.float64)


def ece_interval(gaps: FloatArray, noise: FloatArray) -> Estimate:
    """Return the ECE with an interval by test inversion.

    Noise makes gaps too, so the ECE of a sample lies above that of the population, and the interval of an
    ordinary bootstrap lies higher still: it misses the truth nearly always for a calibrated model. Here a
    population with the gaps c x `gaps` is taken as possible if adding noise to it gives the observed ECE
    within 95% of the draws; the interval spans the ECEs of the possible ones, and is stretched to hold the
    observed ECE itself. What it covers is the ECE of the population in the same bins.

    Args:
        gaps: (B,) float64, from `calibration_gaps`.
        noise: (R, B) float64, sampling errors of the gaps.
    """
    value = float(np.abs(gaps).sum())

    def quantile(scale: float, share: float) -> float:
        return float(np.quantile(np.abs(scale * gaps + noise).sum(axis=1), share))

    if value == 0.0:
        return holding(0.0, 0.0, quantile(0.0, 0.975))
    largest = 1.0 + float(np.abs(noise).sum(axis=1).max()) / value
    low = _where_reached(lambda scale: quantile(scale, 0.975), value, largest)
    high = _where_reached(lambda scale: quantile(scale, 0.025), value, largest)
    return holding(value, low * value, high * value)


def _where_reached(function: Callable[[float], float], level: float, largest: float) -> float:
    """Return the smallest argument at which a rising function reaches a level, by halving [0, largest]."""
    low, high = 0.0, largest
    if function(low) >= level:
        return low
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if function(middle) >= level else (middle, high)
    return high
