"""The bundle: the one file that predicts, its card, operating curve and OOD model."""

from core.bundle.bundle import Bundle, halve, load_bundle
from core.bundle.card import INTENDED_USE, Card, Measurement
from core.bundle.ood import OodModel
from core.bundle.operating_curve import OperatingCurve

__all__ = [
    "INTENDED_USE",
    "Bundle",
    "Card",
    "Measurement",
    "OodModel",
    "OperatingCurve",
    "halve",
    "load_bundle",
]
