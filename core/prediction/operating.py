"""Sensitivity and specificity in validation at any threshold, as a bundle's card keeps them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import BundleError, EvaluationError
from core.evaluation import Estimate, roc_points, wilson

MOST_POINTS = 200


@dataclass(frozen=True)
class OperatingCurve:
    """The ROC curve of the validation patches, thinned.

    Attributes:
        thresholds: (K,) falling, from 1 to the lowest; patches with at least this probability are called tumour.
        sensitivity: (K,) share of the tumour patches found there.
        specificity: (K,) share of the normal patches called normal there.
        positives: number of tumour patches.
        negatives: number of normal patches.

    Raises:
        BundleError: the numbers do not fit together.
    """

    thresholds: tuple[float, ...]
    sensitivity: tuple[float, ...]
    specificity: tuple[float, ...]
    positives: int
    negatives: int

    def __post_init__(self) -> None:
        if (
            not len(self.thresholds) == len(self.sensitivity) == len(self.specificity) >= 2
            or min(self.positives, self.negatives) < 1
            or any(later > earlier for earlier, later in zip(self.thresholds, self.thresholds[1:], strict=False))
        ):
            raise BundleError("The card's validation curve does not fit together; copy the bundle again.")

    @classmethod
    def measured(cls, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> "OperatingCurve":
        """Measure the curve on validation patches.

        Args:
            labels: (N,) 0 or 1.
            probabilities: (N,) calibrated.

        Raises:
            EvaluationError: there is one class only.
        """
        truth = np.asarray(labels)
        curve = roc_points(truth, probabilities, limit=MOST_POINTS)
        thresholds = np.concatenate([[1.0], curve.thresholds[1:]])  # the first is infinite: nothing is called tumour
        positives = int((truth == 1).sum())
        return cls(
            tuple(np.round(thresholds, 6).tolist()),
            tuple(np.round(curve.y, 5).tolist()),
            tuple(np.round(1 - curve.x, 5).tolist()),
            positives,
            int(truth.size) - positives,
        )

    def at(self, threshold: float) -> tuple[Estimate, Estimate]:
        """Return sensitivity and specificity at a threshold with 95 % Wilson intervals over patches.

        Between two stored points they are interpolated.

        Raises:
            EvaluationError: the threshold lies outside [0, 1].
        """
        if not 0 <= threshold <= 1:
            raise EvaluationError(f"The threshold is {threshold!r}; give a number from 0 to 1.")
        rising = np.asarray(self.thresholds)[::-1]
        found = np.interp(threshold, rising, np.asarray(self.sensitivity)[::-1])
        spared = np.interp(threshold, rising, np.asarray(self.specificity)[::-1])
        return (
            wilson(float(found) * self.positives, float(self.positives)),
            wilson(float(spared) * self.negatives, float(self.negatives)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "thresholds": list(self.thresholds),
            "sensitivity": list(self.sensitivity),
            "specificity": list(self.specificity),
            "positives": self.positives,
            "negatives": self.negatives,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "OperatingCurve":
        """Return what :meth:`to_json` gave. Raises :class:`BundleError`."""
        try:
            return cls(
                tuple(map(float, value["thresholds"])),
                tuple(map(float, value["sensitivity"])),
                tuple(map(float, value["specificity"])),
                int(value["positives"]),
                int(value["negatives"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"The card's validation curve is damaged ({error!r}).") from error
