"""The bundle (one file) and the predictor (bundle and patches to typed results)."""

from core.prediction.bundle import SHIPPED, Bundle, halve, load_bundle
from core.prediction.card import INTENDED_USE, Card, Measurement
from core.prediction.predictor import Predictions, Predictor, as_input

__all__ = [
    "INTENDED_USE",
    "SHIPPED",
    "Bundle",
    "Card",
    "Measurement",
    "Predictions",
    "Predictor",
    "as_input",
    "halve",
    "load_bundle",
]
