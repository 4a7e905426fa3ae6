"""95% confidence bands around the ROC curve and the precision-recall curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.evaluation.bootstrap import is_few, percentile_interval, share_over_slides
from core.evaluation.estimate import FEWEST, Estimate, no_narrower
from core.evaluation.intervals import wilson
from core.evaluation.sample import FloatArray, Sample, sample_of

RESAMPLES = 1000
STEPS = 300
"""Quantiles of each class that serve as thresholds: the band is looked at, not read off."""


@dataclass(frozen=True, eq=False)
class Band:
    """The 95% CI of a curve at each of K places: of its height there, not of the curve as a whole.

    Attributes:
        x: (K,) false positive rate (ROC) or recall (precision-recall), rising.
        low: (K,) lower end of the sensitivity or of the precision.
        high: (K,) upper end.
        over: what was taken as independent.
    """

    x: FloatArray
    low: FloatArray
    high: FloatArray
    over: Literal["slide", "patch"]


def roc_band(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, groups: npt.ArrayLike | None = None, *, seed: int = 0
) -> Band | None:
    """Return the band of the sensitivity at each false positive rate, or None where too few slides carry it.

    The rules are those of the AUC in `evaluate`: resamples of slides where they are known, each slide left out in turn
    below `FEW` of them, no band below `FEWEST`, and nowhere narrower than over patches. Over patches it is made of
    resamples of patches, and at least the Wilson interval at each place, which has a width where no resample differs.
    Arguments and errors are those of `evaluate`; both classes are needed.
    """
    sample = sample_of(labels, probabilities, groups, both_classes=True)
    x = np.linspace(0.0, 1.0, 102) ** 2  # closer to the left, where the curve is steep
    # With less than one false alarm nothing was measured, and where all is called tumour nothing is uncertain.
    band = _band(sample, x[(x >= 1 / sample.negatives) & (x < 1)], _sensitivity, seed)
    if band is None:
        return None
    x, low, high = (np.append(each, 1.0) for each in (band.x, band.low, band.high))  # where all is called tumour
    return Band(x, low, high, band.over)


def pr_band(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, groups: npt.ArrayLike | None = None, *, seed: int = 0
) -> Band | None:
    """Return the band of the precision at each recall, or None; arguments and errors as of `roc_band`."""
    x = np.linspace(0.0, 1.0, 101)[1:]  # at recall 0 precision is 1 by convention
    return _band(sample_of(labels, probabilities, groups, both_classes=True), x, _precision, seed)


_Height = Callable[[FloatArray, FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""From true and false positives (L,) at falling thresholds and places (K,) to shares (K,), and of how many each is."""


def _band(sample: Sample, x: FloatArray, height: _Height, seed: int) -> Band | None:
    tumour, normal = (sample.units_with(label) for label in (True, False))
    units = min(tumour, normal)
    if units < FEWEST:
        return None
    generator, cells = np.random.default_rng(seed), _cells(sample)
    pooled = cells.sum(axis=0)
    true, false = np.cumsum(pooled, axis=1)
    values, totals = height(true, false, x)
    # Patches drawn with replacement fall into the cells as one multinomial draw does.
    counts = generator.multinomial(sample.n, pooled.ravel() / sample.n, RESAMPLES).reshape(-1, *pooled.shape)
    found = [
        _at_least(percentile_interval(value, each, units=units), wilson(value * total, total))
        for value, total, each in zip(values, totals, _heights(counts, x, height).T, strict=True)
    ]
    if sample.slides is not None:
        few = is_few(units, sample)
        weights = generator.multinomial(sample.units, np.full(sample.units, 1 / sample.units), RESAMPLES)
        drawn = pooled - cells if few else np.tensordot(weights.astype(np.float64), cells, 1)
        found = [
            no_narrower(share_over_slides(value, each, min(total, tumour), units=units, few=few), by_patch)
            for value, total, each, by_patch in zip(values, totals, _heights(drawn, x, height).T, found, strict=True)
        ]
    low, high = (np.array([getattr(each, end) for each in found]) for end in ("low", "high"))
    if height is _sensitivity:  # it only rises with the false alarms, so that what holds on the left holds on the right
        low = np.maximum.accumulate(low)
    return Band(x, low, high, "patch" if sample.slides is None else "slide")


def _at_least(estimate: Estimate, floor: Estimate) -> Estimate:
    return no_narrower(estimate, floor) if estimate.has_interval else floor


def _cells(sample: Sample) -> FloatArray:
    """Count the tumour and the normal patches of each slide between two thresholds, (U, 2, L), from the highest."""
    of_class = [sample.probabilities[sample.labels == label] for label in (True, False)]
    shares = np.linspace(0.0, 1.0, STEPS)
    thresholds = np.unique([np.quantile(values, shares, method="lower") for values in of_class])
    thresholds[0] = 0.0
    steps = len(thresholds)
    level = steps - np.searchsorted(thresholds, sample.probabilities, side="right")
    slide, units = (0, 1) if sample.slides is None else (sample.slides, sample.units)
    place = (slide * 2 + ~sample.labels) * steps + level
    return np.bincount(place, minlength=units * 2 * steps).reshape(units, 2, steps).astype(np.float64)


def _heights(cells: npt.NDArray[np.generic], x: FloatArray, height: _Height) -> FloatArray:
    """Return the heights of R curves, (R, K), from their counts (R, 2, L); NaN where a class is absent."""
    counted = np.cumsum(cells, axis=2, dtype=np.float64)
    return np.array([height(true, false, x)[0] for true, false in counted])


def _sensitivity(true: FloatArray, false: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    if not (true[-1] and false[-1]):
        return np.full(len(x), np.nan), np.zeros(len(x))
    rate = np.interp(x, np.append(0.0, false) / false[-1], np.append(0.0, true) / true[-1])
    return rate, np.full(len(x), true[-1])


def _precision(true: FloatArray, false: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    if not (true[-1] and false[-1]):
        return np.full(len(x), np.nan), np.zeros(len(x))
    # As drawn, in steps: that of the highest threshold with at least this recall, whose last bit may be rounded away.
    at = np.minimum(np.searchsorted(true / true[-1], x - 1e-9), len(true) - 1)
    called = true[at] + false[at]
    return true[at] / called, called
