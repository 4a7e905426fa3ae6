"""What a learning curve comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.evaluation import Estimate, Evaluation
from core.storage.record import Record

SHOWN = ("auc", "accuracy")
"""The metrics of a learning curve."""


@dataclass(frozen=True)
class Trained(Record):
    """One run of a learning curve.

    Attributes:
        run: its name.
        size: labelled patches it learnt from.
        seed: of its training.
        epochs: how many it was given.
        steps: how many it was given.
        epoch_kept: the one with the highest validation AUC, from 1.
        evaluation: its metrics on the test split, which is the same for all.
    """

    run: str
    size: int
    seed: int
    epochs: int
    steps: int
    epoch_kept: int
    evaluation: Evaluation


@dataclass(frozen=True)
class Point:
    """One size of a learning curve.

    Attributes:
        size: labelled patches that were learnt from.
        runs: one for each seed.
    """

    size: int
    runs: tuple[Trained, ...]

    def metric(self, name: str) -> Estimate:
        """Return the metric on the test patches, of several seeds the mean.

        The interval is for the choice of test patches, not for the seed. Of several seeds it is the mean of their
        intervals: they share the test patches, so that it is not narrower than theirs.
        """
        return mean_of([each.evaluation.metrics[name] for each in self.runs])

    def spread(self, name: str) -> tuple[float, float]:
        """Return the lowest and the highest value of a metric among its seeds."""
        values = [each.evaluation.metrics[name].value for each in self.runs]
        return min(values), max(values)


@dataclass(frozen=True)
class Gain(Record):
    """What the step from one size to the next brought, on the same test patches.

    Attributes:
        before: the smaller size.
        after: the larger one.
        n: number of test patches.
        differences: name of a metric to larger minus smaller size, one paired difference for each seed.
    """

    before: int
    after: int
    n: int
    differences: Mapping[str, tuple[Estimate, ...]]

    @property
    def auc(self) -> Estimate:
        """The difference in AUC, of several seeds the mean; the interval is as in :meth:`Point.metric`."""
        return mean_of(self.differences["auc"])

    def describe(self) -> str:
        """Return the difference in AUC with its sign and its interval."""
        return f"{self.auc.value:+.3f} ({self.auc.interval('+.3f')})"

    def sentence(self) -> str:
        """Return in a sentence what it brought, and what that says about still more labels."""
        each, start = self.auc, f"From {self.before:,} to {self.after:,} patches the AUC"
        if not each.has_interval:
            return f"{start} changed by {each.value:+.3f}; too few test patches or slides to tell that from chance."
        seeds = [difference.value for difference in self.differences["auc"]]
        if each.low > 0 and min(seeds) > 0:
            rose = f"rose by {each.value:.3f} ({each.interval()})"
            return f"{start} {rose}: more labels would probably still help."
        if each.high < 0 and max(seeds) < 0:
            fell = f"fell by {-each.value:.3f} ({-each.high:.3f}–{-each.low:.3f})"
            return f"{start} {fell}: the larger number did not help this training."
        most = f"; a gain above {each.high:.3f} is unlikely" if each.high > 0 else ""
        return (
            f"{start} changed by {self.describe()}, which may be chance: these "
            f"{self.n:,} test patches cannot tell whether more labels would help{most}."
        )

    def caveat(self) -> str:
        """Return in a sentence what the seed had to do with it."""
        seeds = [each.value for each in self.differences["auc"]]
        if len(seeds) == 1:
            return "The interval is for the choice of test patches. Another seed may change it too; train more seeds."
        return f"It was {min(seeds):+.3f} to {max(seeds):+.3f} in the {len(seeds)} seeds."


@dataclass(frozen=True)
class CurveResult(Record):
    """What a learning curve has come to so far.

    Attributes:
        trained: the finished runs, in their order.
        gains: of each size over the one before, for those of which all seeds are trained.
    """

    trained: tuple[Trained, ...] = ()
    gains: tuple[Gain, ...] = ()

    @property
    def points(self) -> tuple[Point, ...]:
        """The sizes with a finished run, from small to large."""
        sizes = sorted({each.size for each in self.trained})
        return tuple(Point(size, tuple(each for each in self.trained if each.size == size)) for size in sizes)

    def gain_to(self, size: int) -> Gain | None:
        """Return what this size brought over the one before, if that is known."""
        return next((each for each in self.gains if each.after == size), None)

    def table(self) -> pd.DataFrame:
        """Return a row for each run: what it learnt from, and its metrics with their intervals."""
        return pd.DataFrame([_row(each) for each in self.trained])


def mean_of(estimates: Sequence[Estimate]) -> Estimate:
    """Return the mean of values, of lower and of upper ends."""
    count = len(estimates)
    return Estimate(*(sum(getattr(each, end) for each in estimates) / count for end in ("value", "low", "high")))


def _row(each: Trained) -> dict[str, Any]:
    found = each.evaluation
    row: dict[str, Any] = {
        "patches": each.size,
        "seed": each.seed,
        "epochs": each.epochs,
        "steps": each.steps,
        "epoch_kept": each.epoch_kept,
        "test_patches": found.n,
        "test_tumour": found.positives,
    }
    for name in SHOWN:
        estimate = found.metrics[name]
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return {**row, "run": each.run}
