"""Pure functions on labels and probabilities: metrics, curves, calibration, thresholds, comparison.

Class 1 is tumour. A patch is called tumour if its probability is at least the threshold. All intervals are
95% CIs.
"""

from core.evaluation.bands import Band, pr_band, roc_band
from core.evaluation.calibration import Calibration, fit_calibration
from core.evaluation.calibration_error import bin_of
from core.evaluation.comparison import McNemar, compare, disagreements, mcnemar
from core.evaluation.confusion import ConfusionMatrix, confusion_matrix
from core.evaluation.cross_fit import cross_fit
from core.evaluation.curves import Curve, Reliability, pr_points, reliability, roc_points
from core.evaluation.estimate import Estimate
from core.evaluation.evaluation import Evaluation, at_threshold, evaluate
from core.evaluation.intervals import wilson
from core.evaluation.metrics import ECE_BINS, METRICS, THRESHOLD_METRICS
from core.evaluation.prior_shift import at_prevalence, log_odds_shift
from core.evaluation.resampled import corrected_half_width, corrected_mean
from core.evaluation.subgroups import Subgroup, quantile_bins, subgroups
from core.evaluation.thresholds import (
    Triage,
    best_threshold,
    threshold_for_sensitivity,
    threshold_for_specificity,
    triage,
)
from core.evaluation.usefulness import net_benefit, predictive_values

__all__ = [
    "ECE_BINS",
    "METRICS",
    "THRESHOLD_METRICS",
    "Band",
    "Calibration",
    "ConfusionMatrix",
    "Curve",
    "Estimate",
    "Evaluation",
    "McNemar",
    "Reliability",
    "Subgroup",
    "Triage",
    "at_prevalence",
    "at_threshold",
    "best_threshold",
    "bin_of",
    "compare",
    "confusion_matrix",
    "corrected_half_width",
    "corrected_mean",
    "cross_fit",
    "disagreements",
    "evaluate",
    "fit_calibration",
    "log_odds_shift",
    "mcnemar",
    "net_benefit",
    "pr_band",
    "pr_points",
    "predictive_values",
    "quantile_bins",
    "reliability",
    "roc_band",
    "roc_points",
    "subgroups",
    "threshold_for_sensitivity",
    "threshold_for_specificity",
    "triage",
    "wilson",
]
