"""From a bundle and patches to typed results."""

from core.prediction.ood_warnings import OodWarnings, examine, fit_ood_model
from core.prediction.predictor import Predictions, Predictor, as_input

__all__ = [
    "OodWarnings",
    "Predictions",
    "Predictor",
    "as_input",
    "examine",
    "fit_ood_model",
]
