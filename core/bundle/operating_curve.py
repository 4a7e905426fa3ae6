"""Sensitivity and specificity in validation at any threshold, as a bundle's card keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import BundleError, EvaluationError
from core.evaluation import Estimate, wilson
from core.storage.record import Record

MOST_POINTS = 200


@dataclass(frozen=True)
class OperatingCurve(Record):
    """Sensitivity and specificity of the validation patches over the threshold: their ROC curve, reduced to 200 points.

    Attributes:
        thresholds: (K,) falling, each the probability of a patch, at most 200; patches with at least this probability
            are called tumour.
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
            not len(self.thresholds) == len(self.sensitivity) == len(self.specificity) >= 1
            or min(self.positives, self.negatives) < 1
            or any(later > earlier for earlier, later in zip(self.thresholds, self.thresholds[1:], strict=False))
        ):
            raise BundleError("The card's validation curve does not fit together; copy the bundle again.")

    @classmethod
    def measured(
        cls, labels: npt.ArrayLike, probabilities: npt.ArrayLike, *, exact: Sequence[float] = ()
    ) -> "OperatingCurve":
        """Measure the curve on validation patches.

        Args:
            labels: (N,) 0 or 1.
            probabilities: (N,) calibrated.
            exact: thresholds that are among the points where not every patch can be.

        Raises:
            EvaluationError: there is one class only.
        """
        sample, truth = np.asarray(probabilities, np.float64), np.asarray(labels) == 1
        if sample.shape != truth.shape or truth.all() or not truth.any():
            raise EvaluationError(
                f"A validation curve needs patches of both classes, got {int(truth.sum())} tumour among {truth.size}."
            )
        thresholds = np.unique(sample)
        if len(thresholds) > MOST_POINTS:  # at equal shares of the patches, so that no stretch is missing
            shares = np.linspace(0, 1, MOST_POINTS - len(exact))
            thresholds = np.unique([*np.quantile(sample, shares, method="nearest"), *exact])
        falling = thresholds[::-1]
        tumour, normal = np.sort(sample[truth]), np.sort(sample[~truth])
        return cls(
            tuple(falling.tolist()),
            tuple((1 - np.searchsorted(tumour, falling, "left") / len(tumour)).round(6).tolist()),
            tuple((np.searchsorted(normal, falling, "left") / len(normal)).round(6).tolist()),
            len(tumour),
            len(normal),
        )

    def sparing(self, specificity: float) -> float:
        """Return the lowest of the thresholds at which this share of the normal patches is called normal.

        Where none is that good, it is the highest there is.
        """
        fits = (t for t, spared in zip(self.thresholds, self.specificity, strict=True) if spared >= specificity)
        return min(fits, default=self.thresholds[0])

    def at(self, threshold: float) -> tuple[Estimate, Estimate]:
        """Return sensitivity and specificity at a threshold with 95% Wilson intervals over patches.

        Between two stored thresholds the values of the upper one are taken: exact where all are stored.

        Raises:
            EvaluationError: the threshold lies outside [0, 1].
        """
        if not 0 <= threshold <= 1:
            raise EvaluationError(f"threshold must be 0 to 1, got {threshold!r}.")
        rising = np.asarray(self.thresholds)[::-1]
        above = int(np.searchsorted(rising, threshold, "left"))
        at = len(rising) - 1 - above
        found, spared = (self.sensitivity[at], self.specificity[at]) if above < len(rising) else (0.0, 1.0)
        return (
            wilson(found * self.positives, float(self.positives)),
            wilson(spared * self.negatives, float(self.negatives)),
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "OperatingCurve":
        """Return what :meth:`to_json` gave. Raises :class:`BundleError`."""
        try:
            return super().from_json(value)
        except TypeError as error:
            raise BundleError(f"The card's validation curve is damaged ({error}).") from error
