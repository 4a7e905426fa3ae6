"""Curves to draw: ROC, precision-recall and the reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.evaluation.calibration_error import bin_of
from core.evaluation.intervals import wilson
from core.evaluation.metrics import ECE_BINS
from core.evaluation.sample import FloatArray, IntArray, Sample, sample_of

MOST_POINTS = 2000


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a curve, from the highest threshold to the lowest.

    Attributes:
        x: (K,) float64: false positive rate (ROC) or recall (precision-recall).
        y: (K,) float64: true positive rate (ROC) or precision (precision-recall).
        thresholds: (K,) float64; patches with at least this probability are called tumour. The first is
            infinite: no patch is called tumour.
    """

    x: FloatArray
    y: FloatArray
    thresholds: FloatArray


@dataclass(frozen=True, eq=False)
class Reliability:
    """The reliability diagram: one entry for each bin that holds patches.

    Attributes:
        index: (K,) the number of each bin, as given by `bin_of`.
        lower: (K,) lower edge of the bin, which does not belong to it (but 0 belongs to the first).
        upper: (K,) upper edge of the bin, which belongs to it.
        mean_probability: (K,) mean predicted probability.
        observed: (K,) share of tumour patches.
        count: (K,) number of patches.
        low: (K,) lower end of the 95% Wilson interval of `observed`.
        high: (K,) upper end.
        ece: expected calibration error: |mean_probability - observed| averaged over patches.
    """

    index: IntArray
    lower: FloatArray
    upper: FloatArray
    mean_probability: FloatArray
    observed: FloatArray
    count: IntArray
    low: FloatArray
    high: FloatArray
    ece: float


def roc_points(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Curve:
    """Return the ROC curve: false positive rate against true positive rate, from (0, 0) to (1, 1).

    Points on a straight line are dropped, and so are points nearer than 2 / `MOST_POINTS` to their neighbour: the
    drawn line stays the same to the eye. Compute areas with `evaluate`, not from these points.

    Arguments and errors are those of `sample_of`; both classes are needed.
    """
    sample = sample_of(labels, probabilities, both_classes=True)
    true, called, thresholds = _cumulated(sample)
    x, y = (called - true) / sample.negatives, true / sample.positives
    corners = _corners(called - true, true)
    return _reduced(Curve(x[corners], y[corners], thresholds[corners]))


def pr_points(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Curve:
    """Return the precision-recall curve: recall (sensitivity) against precision, from recall 0 to recall 1.

    The first point, at recall 0, has precision 1 by convention (as in scikit-learn). Draw it as steps:
    between two points precision is that of the right one. Arguments, errors and reduction are those of `roc_points`.
    """
    sample = sample_of(labels, probabilities, both_classes=True)
    true, called, thresholds = _cumulated(sample)
    precision = np.ones(len(true))
    np.divide(true, called, out=precision, where=called > 0)
    return _reduced(Curve(true / sample.positives, precision, thresholds))


def reliability(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Reliability:
    """Return predicted probability against observed share of tumour, in the bins of `bin_of`.

    Its `ece` is the metric "ece" of `evaluate`. Arguments and errors are those of `sample_of`.
    """
    sample = sample_of(labels, probabilities)
    number = bin_of(sample.probabilities)
    counts = np.bincount(number, minlength=ECE_BINS)
    index = np.flatnonzero(counts)
    count = counts[index]
    tumour = np.bincount(number, weights=sample.labels, minlength=ECE_BINS)[index]
    mean = np.bincount(number, weights=sample.probabilities, minlength=ECE_BINS)[index] / count
    shares = [wilson(float(k), float(n)) for k, n in zip(tumour, count, strict=True)]
    edges = np.linspace(0.0, 1.0, ECE_BINS + 1)
    return Reliability(
        index=index,
        lower=edges[index],
        upper=edges[index + 1],
        mean_probability=mean,
        observed=tumour / count,
        count=count,
        low=np.array([share.low for share in shares]),
        high=np.array([share.high for share in shares]),
        ece=float(np.sum(np.abs(mean - tumour / count) * count) / sample.n),
    )


def _cumulated(sample: Sample) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return true positives, patches called tumour and thresholds, the highest threshold first."""
    scores, index = np.unique(-sample.probabilities, return_inverse=True)
    tumour = np.bincount(index, weights=sample.labels, minlength=len(scores))
    called = np.bincount(index, minlength=len(scores)).astype(np.float64)
    start = np.zeros(1)
    return (
        np.concatenate((start, np.cumsum(tumour))),
        np.concatenate((start, np.cumsum(called))),
        np.concatenate(([np.inf], -scores)),
    )


def _corners(x: FloatArray, y: FloatArray) -> IntArray:
    """Return the points at which a line of whole-numbered points bends, and its ends."""
    dx, dy = np.diff(x), np.diff(y)
    bends = dx[:-1] * dy[1:] != dx[1:] * dy[:-1]
    return np.flatnonzero(np.concatenate(([True], bends, [True])))


def _reduced(curve: Curve) -> Curve:
    """Keep one point in each of `MOST_POINTS` - 1 equal stretches along the line, and its ends."""
    if len(curve.x) <= MOST_POINTS:
        return curve
    steps = np.abs(np.diff(curve.x)) + np.abs(np.diff(curve.y))
    way = np.concatenate(([0.0], np.cumsum(steps)))
    stretch = np.minimum((way / way[-1] * (MOST_POINTS - 1)).astype(np.intp), MOST_POINTS - 2)
    keep = np.flatnonzero(np.concatenate(([True], stretch[1:] != stretch[:-1])))
    keep = np.union1d(keep, [len(way) - 1])
    return Curve(curve.x[keep], curve.y[keep], curve.thresholds[keep])
