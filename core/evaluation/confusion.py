"""The confusion matrix: right and wrong decisions, by label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.evaluation.sample import FloatArray, checked_share, sample_of
from core.storage.record import Record


@dataclass(frozen=True)
class ConfusionMatrix(Record):
    """How many patches were decided right and wrong.

    Attributes:
        tn: normal patches called normal.
        fp: normal patches called tumour (false alarms).
        fn: tumour patches called normal (missed).
        tp: tumour patches called tumour (found).
    """

    tn: int
    fp: int
    fn: int
    tp: int

    @property
    def n(self) -> int:
        """All patches."""
        return self.tn + self.fp + self.fn + self.tp

    @property
    def positives(self) -> int:
        """Patches labelled tumour."""
        return self.fn + self.tp

    @property
    def negatives(self) -> int:
        """Patches labelled normal."""
        return self.tn + self.fp

    @property
    def counts(self) -> FloatArray:
        """The four counts in this order, (4,) float64."""
        return np.array([self.tn, self.fp, self.fn, self.tp], dtype=np.float64)


def confusion_matrix(labels: npt.ArrayLike, probabilities: npt.ArrayLike, *, threshold: float = 0.5) -> ConfusionMatrix:
    """Count right and wrong decisions; a patch is called tumour if its probability is >= threshold, in [0, 1].

    The other arguments and errors are those of `sample_of`.
    """
    sample = sample_of(labels, probabilities)
    called = sample.probabilities >= checked_share(threshold, name="The threshold")
    cells = np.bincount(2 * sample.labels + called, minlength=4)
    return ConfusionMatrix(*(int(count) for count in cells))
