"""What a cross-validation comes to."""

from dataclasses import dataclass
from typing import Any

from core.evaluation import Estimate, Evaluation


@dataclass(frozen=True)
class Fold:
    """One fold.

    Attributes:
        number: from 1.
        run: the name of the run that it tested.
        n: its patches.
        positives: how many of them are labelled tumour.
        threshold: of that run, chosen on its validation patches.
        evaluation: its figures, or None where it did not define them.
    """

    number: int
    run: str
    n: int
    positives: int
    threshold: float
    evaluation: Evaluation | None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**self.__dict__, "evaluation": None if self.evaluation is None else self.evaluation.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Fold":
        """Return what :meth:`to_json` gave."""
        found = value["evaluation"]
        return cls(**{**value, "evaluation": None if found is None else Evaluation.from_json(found)})


@dataclass(frozen=True)
class FoldsResult:
    """What a cross-validation came to.

    Attributes:
        folds: one after the other.
        mean: name of a figure to its mean over the folds, with the interval of
            :func:`core.evaluation.corrected_mean`: what to expect of a model trained in this way.
        pooled: figures of all out-of-fold predictions together, at the mean of the folds' thresholds; intervals over
            slides where they are known.
        left_out: labelled patches without a prediction, because they could not be read.
    """

    folds: tuple[Fold, ...]
    mean: dict[str, Estimate]
    pooled: Evaluation
    left_out: int

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "folds": [fold.to_json() for fold in self.folds],
            "mean": {name: each.to_json() for name, each in self.mean.items()},
            "pooled": self.pooled.to_json(),
            "left_out": self.left_out,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "FoldsResult":
        """Return what :meth:`to_json` gave."""
        return cls(
            tuple(Fold.from_json(each) for each in value["folds"]),
            {name: Estimate.from_json(each) for name, each in value["mean"].items()},
            Evaluation.from_json(value["pooled"]),
            int(value["left_out"]),
        )
