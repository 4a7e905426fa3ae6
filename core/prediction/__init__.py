"""The bundle (one file) and the predictor (bundle and patches to typed results)."""

from core.prediction.bundle import Bundle, halve, load_bundle
from core.prediction.card import INTENDED_USE, Card, Measurement
from core.prediction.doubts import Doubts, examine, fit_familiarity
from core.prediction.familiarity import Familiarity
from core.prediction.operating import OperatingCurve
from core.prediction.predictor import Predictions, Predictor, as_input

__all__ = [
    "INTENDED_USE",
    "Bundle",
    "Card",
    "Doubts",
    "Familiarity",
    "Measurement",
    "OperatingCurve",
    "Predictions",
    "Predictor",
    "as_input",
    "examine",
    "fit_familiarity",
    "halve",
    "load_bundle",
]
