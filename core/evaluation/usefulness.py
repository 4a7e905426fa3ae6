"""What a model is worth where tumour is rarer or more frequent than among the measured patches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.evaluation.estimate import Estimate
from core.evaluation.sample import FloatArray, require_prevalence, sample_of


@dataclass(frozen=True)
class PredictiveValues:
    """How far an answer can be relied on at a prevalence.

    Attributes:
        ppv: share of tumour among the patches that are called tumour.
        npv: share of normal among those that are called normal.
    """

    ppv: Estimate
    npv: Estimate


def predictive_values(sensitivity: Estimate, specificity: Estimate, *, prevalence: float) -> PredictiveValues:
    """Return the predictive values by Bayes' rule.

    Both rise with sensitivity and with specificity. The interval goes from both lower ends to both upper ends, which is
    wider than a 95% CI needs to be.

    Args:
        sensitivity: of the model at its threshold.
        specificity: at the same threshold.
        prevalence: share of tumour among all patches, above 0 and below 1.

    Raises:
        EvaluationError: the prevalence is out of range.
    """
    require_prevalence(prevalence)
    ends = ("value", "low", "high")
    ppv = [_share(getattr(sensitivity, end), 1 - getattr(specificity, end), prevalence) for end in ends]
    npv = [_share(getattr(specificity, end), 1 - getattr(sensitivity, end), 1 - prevalence) for end in ends]
    return PredictiveValues(Estimate(*ppv), Estimate(*npv))


def net_benefit(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    *,
    prevalence: float,
) -> tuple[FloatArray, FloatArray]:
    """Return the decision curve of a model, and that of calling every patch tumour (Vickers & Elkin 2006).

    A threshold t says that one missed tumour is as bad as (1 - t) / t false alarms. The net benefit is the share of
    tumour that is found, less the false alarms at that exchange rate; calling no patch tumour has 0.

    Args:
        labels: (N,) 0 or 1.
        probabilities: (N,) in [0, 1].
        thresholds: (T,) above 0 and below 1.
        prevalence: share of tumour, above 0 and below 1.

    Returns:
        Two arrays (T,), in patches of all patches.

    Raises:
        EvaluationError: see `sample_of`; there is one class only, or the prevalence is out of range.
    """
    sample = sample_of(labels, probabilities, both_classes=True)
    require_prevalence(prevalence)
    at = np.asarray(thresholds, dtype=np.float64)
    tumour, normal = (np.sort(sample.probabilities[sample.labels == label]) for label in (True, False))
    found = 1 - np.searchsorted(tumour, at, side="left") / len(tumour)
    alarms = 1 - np.searchsorted(normal, at, side="left") / len(normal)
    price = (1 - prevalence) * at / (1 - at)
    return found * prevalence - alarms * price, prevalence - price


def _share(found: float, alarms: float, prevalence: float) -> float:
    called = found * prevalence + alarms * (1 - prevalence)
    return found * prevalence / called if called else float("nan")
