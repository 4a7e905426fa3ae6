"""How good probabilities and threshold are on patches that they were not fitted to, of the few that validate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.evaluation.calibration import fit_calibration
from core.evaluation.calibration_error import calibration_gaps
from core.evaluation.sample import sample_of
from core.evaluation.thresholds import best_threshold

DIVISIONS = 10


@dataclass(frozen=True)
class CrossFit:
    """Means over divisions into halves; each half is measured with what was fitted to the other.

    Attributes:
        ece: expected calibration error.
        sensitivity: at the threshold of best balanced accuracy.
        specificity: at the same one.
    """

    ece: float
    sensitivity: float
    specificity: float

    @property
    def sentence(self) -> str:
        """What a bundle's card says of it."""
        return (
            "Calibrated and thresholded on one half of the validation patches and measured on the other (mean of "
            f"{DIVISIONS} divisions): ECE {self.ece:.3f}, balanced accuracy "
            f"{(self.sensitivity + self.specificity) / 2:.3f}, sensitivity {self.sensitivity:.3f}, specificity "
            f"{self.specificity:.3f}."
        )


def cross_fit(labels: npt.ArrayLike, logits: npt.ArrayLike, *, groups: npt.ArrayLike | None = None) -> CrossFit | None:
    """Measure calibration and threshold by cross-fitting on halves of the patches.

    Args:
        labels: (N,) 0 or 1.
        logits: (N,) before calibration.
        groups: (N,) slides, which are never divided; None where they are not known.

    Returns:
        The means; None where the halves of a division lack a class.
    """
    truth, values = np.asarray(labels) == 1, np.asarray(logits, np.float64)
    units = np.arange(len(truth)) if groups is None else np.unique(np.asarray(groups, str), return_inverse=True)[1]
    random, found = np.random.default_rng(0), []
    for _ in range(DIVISIONS):
        half = (random.permutation(int(units.max()) + 1) % 2 == 0)[units]
        probabilities, called = np.empty(len(truth)), np.empty(len(truth), bool)
        for fitted, rest in ((half, ~half), (~half, half)):
            if not 0 < truth[fitted].sum() < fitted.sum():
                return None
            calibration = fit_calibration(values[fitted], truth[fitted])
            threshold = best_threshold(truth[fitted], calibration.apply(values[fitted]))
            probabilities[rest] = calibration.apply(values[rest])
            called[rest] = probabilities[rest] >= threshold
        ece = np.abs(calibration_gaps(sample_of(truth, probabilities))).sum()
        found.append((ece, called[truth].mean(), 1 - called[~truth].mean()))
    return CrossFit(*np.mean(found, axis=0).tolist())
