"""Probabilities where tumour is rarer or more frequent than among the patches that a model was calibrated on."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from core.evaluation.sample import FloatArray, require_prevalence


def log_odds_shift(*, calibrated: float, wanted: float) -> float:
    """Return what a prevalence adds to a logit that was calibrated at another one.

    Only how often tumour occurs differs, not what it looks like ("prior shift"): the odds change by the ratio of the
    prior odds (Saerens, Latinne & Decaestecker, Neural Computation 14:21, 2002; Elkan, IJCAI 2001).

    Args:
        calibrated: share of tumour among the patches of the calibration, above 0 and below 1.
        wanted: share of tumour where the model is used, likewise.

    Raises:
        EvaluationError: a share is out of its range.
    """
    for share in (calibrated, wanted):
        require_prevalence(share)
    return math.log(wanted / (1 - wanted)) - math.log(calibrated / (1 - calibrated))


def at_prevalence(probabilities: npt.ArrayLike, *, calibrated: float, wanted: float) -> FloatArray:
    """Return probabilities moved to another prevalence, float64 in [0, 1]; 0 and 1 stay. See :func:`log_odds_shift`."""
    values = np.asarray(probabilities, np.float64)
    ratio = math.exp(log_odds_shift(calibrated=calibrated, wanted=wanted))
    return np.asarray(values * ratio / (values * ratio + (1 - values)), np.float64)
