"""From a bundle and patches to typed results."""

from core.prediction.ood_warnings import Doubts, examine, fit_familiarity
from core.prediction.predictor import Predictions, Predictor, as_input

__all__ = [
    "Doubts",
    "Predictions",
    "Predictor",
    "as_input",
    "examine",
    "fit_familiarity",
]
