"""95% CIs in closed form: shares, means, AUC, average precision and metrics made from counts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import rankdata, t

from core.evaluation.estimate import UNDEFINED, Estimate, holding, without_interval
from core.evaluation.metrics import threshold_metrics
from core.evaluation.sample import BoolArray, FloatArray

Z = 1.959963984540054
"""The 97.5% point of the normal distribution: all intervals are 95% CIs."""


def wilson(count: float, total: float) -> Estimate:
    """Return a share with its score interval (Wilson 1927), which has a width even at 0 and at 1.

    Args:
        count: how many of `total`, in [0, total]; need not be whole.
        total: of how many; 0 gives an undefined estimate.
    """
    if total <= 0:
        return UNDEFINED
    share = count / total
    centre = (share + Z**2 / (2 * total)) / (1 + Z**2 / total)
    half = Z / (1 + Z**2 / total) * math.sqrt(share * (1 - share) / total + Z**2 / (4 * total**2))
    low = 0.0 if share <= 0 else max(0.0, centre - half)
    high = 1.0 if share >= 1 else min(1.0, centre + half)
    return Estimate(share, low, high)


def mean_interval(values: FloatArray) -> Estimate:
    """Return the mean of values that are never negative with Student's t interval, cut off at 0."""
    value = float(np.mean(values))
    if len(values) < 2:
        return without_interval(value)
    half = float(t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return holding(value, max(0.0, value - half), value + half)


def auc_interval(labels: BoolArray, probabilities: FloatArray) -> Estimate:
    """Return the area under the ROC curve, ties counted half, with its interval.

    The variance is DeLong's (1988), computed from ranks (Sun & Xu 2014); the interval is built on the logit
    scale so that it stays within [0, 1]. Where that variance is 0 (an AUC of 0 or 1, many ties) or unknown (a
    single patch of a class), Newcombe's interval (2006) takes over. Undefined with one class only.
    """
    m, n = int(labels.sum()), int((~labels).sum())
    if m == 0 or n == 0:
        return UNDEFINED
    ranks = rankdata(probabilities)
    tumour = (ranks[labels] - rankdata(probabilities[labels])) / n
    normal = 1 - (ranks[~labels] - rankdata(probabilities[~labels])) / m
    value = float(np.mean(tumour))
    if min(m, n) < 2:
        return newcombe_auc(value, m, n)
    variance = float(np.var(tumour, ddof=1) / m + np.var(normal, ddof=1) / n)
    return logit_interval(value, variance) if 0.0 < value < 1.0 and variance > 0.0 else newcombe_auc(value, m, n)


def newcombe_auc(value: float, positives: float, negatives: float) -> Estimate:
    """Return Newcombe's interval for an AUC (2006, method 5), which has a width even at 0 and at 1.

    Args:
        value: the AUC, in [0, 1].
        positives: number of tumour patches; need not be whole.
        negatives: number of normal patches; need not be whole.
    """
    extra = (positives + negatives) / 2 - 1

    def distance(theta: float) -> float:
        spread = 1 + extra * (1 - theta) / (2 - theta) + extra * theta / (1 + theta)
        return (value - theta) ** 2 - Z**2 * theta * (1 - theta) * spread / (positives * negatives)

    tiny = 1e-12
    # Not from the value itself: at 0 and 1 that is a root too, but not the end of an interval.
    low = 0.0 if value <= tiny else _root(distance, tiny, value - tiny)
    high = 1.0 if value >= 1 - tiny else _root(distance, value + tiny, 1 - tiny)
    return Estimate(value, low, high)


def average_precision_interval(labels: BoolArray, probabilities: FloatArray) -> Estimate:
    """Return average precision (the step-wise sum, as in scikit-learn) with its interval.

    The variance is that of the linearised metric (the infinitesimal jackknife, Jaeckel 1972), on the logit
    scale as Boyd, Eng & Page (2013) advise. At 1 it is 0 and the Wilson interval over the tumour patches
    takes over. Undefined with one class only.
    """
    positives = int(labels.sum())
    if positives == 0 or positives == len(labels):
        return UNDEFINED
    value, influence = average_precision_influence(labels, probabilities)
    if value >= 1.0:
        return wilson(positives, positives)
    return logit_interval(value, float(np.sum(influence**2)))


def average_precision_influence(labels: BoolArray, probabilities: FloatArray) -> tuple[float, FloatArray]:
    """Return average precision and how it changes with the weight of each patch, (N,) float64.

    With TP and FP counted down to the probability of a patch, P = TP / (TP + FP) and W tumour patches, the
    metric is the mean of P over the tumour patches; every patch with at least the same probability moves each
    such P.
    """
    scores, index = np.unique(-probabilities, return_inverse=True)
    tumour = np.bincount(index, weights=labels, minlength=len(scores))
    called = np.cumsum(np.bincount(index, minlength=len(scores)))
    precision = np.cumsum(tumour) / called
    positives = float(tumour.sum())
    value = float(tumour @ precision) / positives
    gain = np.cumsum((tumour * (1 - precision) / called)[::-1])[::-1]
    loss = np.cumsum((tumour * precision / called)[::-1])[::-1]
    influence = np.where(labels, precision[index] - value + gain[index], -loss[index]) / positives
    return min(value, 1.0), np.asarray(influence, dtype=np.float64)


def operating_intervals(counts: FloatArray, *, draws: int, seed: int) -> dict[str, Estimate]:
    """Return the metrics made from the four counts, patches taken as independent.

    Accuracy, sensitivity and specificity: Wilson. Balanced accuracy: the two Wilson intervals put together
    (MOVER, Zou & Donner 2008). F1 is a rising function of tp / (tp + fp + fn), a share, and takes its Wilson
    interval. MCC: quantiles of draws from the posterior under Jeffreys' prior, widened to hold the metric
    itself, as Brown, Cai & DasGupta (2001) do for shares. All have a width at their ends.

    Args:
        counts: (4,) float64: tn, fp, fn, tp; need not be whole.
        draws: how many for MCC.
        seed: makes the draws repeatable.
    """
    tn, fp, fn, tp = (float(count) for count in counts)
    jaccard = wilson(tp, tp + fp + fn)
    sensitivity, specificity = wilson(tp, tp + fn), wilson(tn, tn + fp)
    return {
        "accuracy": wilson(tp + tn, tp + tn + fp + fn),
        "balanced_accuracy": mean_of_two(sensitivity, specificity),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "f1": Estimate(*(2 * end / (1 + end) for end in (jaccard.value, jaccard.low, jaccard.high))),
        "mcc": _matthews_interval(counts, draws=draws, seed=seed),
    }


def mean_of_two(first: Estimate, second: Estimate) -> Estimate:
    """Return the mean of two independent estimates, with their intervals put together (MOVER)."""
    value = (first.value + second.value) / 2
    below = math.hypot(first.value - first.low, second.value - second.low) / 2
    above = math.hypot(first.high - first.value, second.high - second.value) / 2
    return Estimate(value, value - below, value + above) if not math.isnan(value) else UNDEFINED


def logit_interval(value: float, variance: float, *, quantile: float = Z) -> Estimate:
    """Return an interval that is symmetric on the logit scale; `value` must lie strictly between 0 and 1."""
    half = quantile * math.sqrt(variance) / (value * (1 - value))
    low, high = (float(expit(logit(value) + side * half)) for side in (-1, 1))
    return holding(value, low, high)


def _matthews_interval(counts: FloatArray, *, draws: int, seed: int) -> Estimate:
    value = float(threshold_metrics(counts)["mcc"])
    if math.isnan(value):
        return UNDEFINED
    # Gamma draws are Dirichlet draws up to their sum, and MCC does not depend on the sum.
    posterior = np.random.default_rng(seed).standard_gamma(counts + 0.5, size=(draws, 4))
    low, high = np.quantile(threshold_metrics(posterior)["mcc"], (0.025, 0.975))
    return holding(value, low, high)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    if function(low) * function(high) > 0:
        # Only within rounding of an end: the interval then reaches that end.
        return low if abs(function(low)) < abs(function(high)) else high
    return float(brentq(function, low, high, xtol=1e-12))
