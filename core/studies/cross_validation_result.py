"""What a cross-validation comes to."""

from dataclasses import dataclass

from core.evaluation import Estimate, Evaluation
from core.storage.record import Record


@dataclass(frozen=True)
class Fold(Record):
    """One fold.

    Attributes:
        number: from 1.
        run: the name of the run that it tested.
        n: its patches.
        positives: how many of them are labelled tumour.
        threshold: of that run, chosen on its validation patches.
        evaluation: its metrics, or None where its patches did not define them.
    """

    number: int
    run: str
    n: int
    positives: int
    threshold: float
    evaluation: Evaluation | None


@dataclass(frozen=True)
class FoldsResult(Record):
    """What a cross-validation came to.

    Attributes:
        folds: one after the other.
        mean: name of a metric to its mean over the folds, with the interval of
            :func:`core.evaluation.corrected_mean`: what to expect of a model trained in this way.
        pooled: metrics of all out-of-fold predictions together, at the mean of the folds' thresholds; intervals over
            slides where they are known.
        left_out: labelled patches without a prediction, because they could not be read.
    """

    folds: tuple[Fold, ...]
    mean: dict[str, Estimate]
    pooled: Evaluation
    left_out: int
