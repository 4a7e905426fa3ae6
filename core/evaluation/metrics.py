"""What each metric is called, what it means, and its formula."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evaluation.sample import BoolArray, FloatArray


@dataclass(frozen=True)
class Metric:
    """How a metric is shown.

    Attributes:
        name: the key in `Evaluation.metrics`.
        label: the short name on screen.
        help: one sentence in plain language.
        higher_is_better: whether a larger value is a better one.
    """

    name: str
    label: str
    help: str
    higher_is_better: bool


_ALL = (
    Metric(
        "auc",
        "AUC",
        "How often a tumour patch gets a higher probability than a normal one, over all such pairs: "
        "1 is perfect, 0.5 is guessing. It does not depend on the threshold.",
        True,
    ),
    Metric(
        "average_precision",
        "Average precision",
        "The precision (share of patches called tumour that are tumour) averaged over all sensitivities; "
        "guessing gives the share of tumour patches.",
        True,
    ),
    Metric("accuracy", "Accuracy", "The share of patches that are decided right at the threshold.", True),
    Metric(
        "balanced_accuracy",
        "Balanced accuracy",
        "The mean of sensitivity and specificity, so that the commoner class does not count for more.",
        True,
    ),
    Metric("sensitivity", "Sensitivity", "The share of tumour patches that are found at the threshold.", True),
    Metric(
        "specificity",
        "Specificity",
        "The share of normal patches that are called normal at the threshold.",
        True,
    ),
    Metric(
        "f1",
        "F1",
        "The harmonic mean of sensitivity and precision: high only if few tumour patches are missed and few "
        "alarms are false.",
        True,
    ),
    Metric(
        "mcc",
        "MCC",
        "Matthews correlation between decisions and labels: 1 is perfect, 0 is no better than chance, "
        "-1 is always wrong.",
        True,
    ),
    Metric(
        "nll",
        "NLL",
        "Negative log-likelihood (log loss, in nats): the average surprise at the true label; "
        "sure and wrong costs most.",
        False,
    ),
    Metric(
        "brier",
        "Brier score",
        "The mean squared distance between the probability and the label (0 or 1).",
        False,
    ),
    Metric(
        "ece",
        "ECE",
        "Expected calibration error: how far probabilities are, on average, from the share of tumour that is "
        "really seen among patches with such a probability. Chance makes gaps too, so the ECE of a sample tends to lie "
        "above that of all such patches: its interval reaches further down than up, and may end at the ECE itself.",
        False,
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""All metrics by name, in the order in which they are shown."""

THRESHOLD_METRICS = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "f1", "mcc")
"""The metrics that depend on the threshold, and on nothing else than the four counts."""

ECE_BINS = 15
"""Bins of equal width for the ECE and the reliability diagram, as in Guo et al. 2017 (arXiv:1706.04599)."""

_SMALLEST = float(np.finfo(np.float64).eps)


def log_losses(labels: BoolArray, probabilities: FloatArray) -> FloatArray:
    """Return the negative log-likelihood of each patch, in nats, shape (N,).

    Probabilities are held at least 2.2e-16 away from 0 and 1 (as scikit-learn does), so that one wrong
    certainty costs 36 nats and not infinity.
    """
    held = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(-np.where(labels, np.log(held), np.log1p(-held)), dtype=np.float64)


def threshold_metrics(counts: FloatArray) -> dict[str, FloatArray]:
    """Compute the metrics that depend on the threshold from counts.

    A metric without a meaning is NaN: sensitivity without tumour patches, specificity without normal ones,
    balanced accuracy and MCC with one class only, F1 with no tumour patch either labelled or called. MCC is 0
    where all patches are called the same, as in scikit-learn.

    Args:
        counts: (..., 4) float64: tn, fp, fn, tp. They need not be whole numbers.

    Returns:
        One array of shape (...) for each name in `THRESHOLD_METRICS`.
    """
    tn, fp, fn, tp = np.moveaxis(counts, -1, 0)
    sensitivity = ratio(tp, tp + fn)
    specificity = ratio(tn, tn + fp)
    return {
        "accuracy": ratio(tp + tn, tp + tn + fp + fn),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "mcc": _matthews(tn, fp, fn, tp),
    }


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide element by element; NaN where the denominator is 0."""
    numerator, denominator = (
        np.asarray(numerator, dtype=np.float64),
        np.asarray(denominator, dtype=np.float64),
    )
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out


def _matthews(tn: FloatArray, fp: FloatArray, fn: FloatArray, tp: FloatArray) -> FloatArray:
    positives, negatives = tp + fn, tn + fp
    called, passed = tp + fp, tn + fn
    # In these pairs, not all four at once: perfect decisions then give exactly 1.
    spread = np.sqrt(positives * called) * np.sqrt(negatives * passed)
    value = np.where(spread > 0, np.clip(ratio(tp * tn - fp * fn, spread), -1.0, 1.0), 0.0)
    return np.where((positives > 0) & (negatives > 0), value, np.nan)
