"""All metrics of one model on one set of patches, with their intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import EvaluationError
from core.evaluation.bootstrap import resamples_for
from core.evaluation.calibration_error import calibration_gaps, ece_interval, gap_noise
from core.evaluation.confusion import ConfusionMatrix, confusion_matrix
from core.evaluation.estimate import FEWEST, Estimate, without_interval
from core.evaluation.intervals import auc_interval, average_precision_interval, mean_interval, operating_intervals
from core.evaluation.metrics import METRICS, THRESHOLD_METRICS, log_losses
from core.evaluation.over_slides import over_slides
from core.evaluation.sample import Sample, checked_share, sample_of
from core.storage.record import Record

UNITS = ("patch", "slide", "patient")
"""What intervals may take as independent."""


@dataclass(frozen=True)
class Evaluation(Record):
    """How a model did on one set of patches.

    Attributes:
        n: number of patches.
        positives: how many of them are labelled tumour.
        threshold: a patch with at least this probability is called tumour.
        metrics: name to estimate, in the order of `METRICS`. A metric that a single class does not define is
            NaN.
        confusion: right and wrong decisions at the threshold.
        resampled: what the intervals take as independent: "slide" or "patient" where such were given, else "patch".
        resamples: how many resamples or draws stand behind those intervals that need them.
        slides: number of slides (of patients, where intervals are over them), or None where they are not known.
    """

    n: int
    positives: int
    threshold: float
    metrics: dict[str, Estimate]
    confusion: ConfusionMatrix
    resampled: str
    resamples: int = 0
    slides: int | None = None

    @property
    def described_slides(self) -> str:
        """What the intervals are over, such as "12 slides", and why some are missing; only where slides are known."""
        if all(each.has_interval or not each.is_defined for each in self.metrics.values()):
            return f"{self.slides} {self.resampled}s"
        return f"{self.slides} {self.resampled}s (a metric needs {FEWEST} with patches of its classes for an interval)"

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary that strict JSON can hold and `from_json` reads back without loss."""
        # Stored evaluations, such as those in bundles, call the metrics "figures".
        return {"figures" if name == "metrics" else name: value for name, value in super().to_json().items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evaluation:
        """Read what `to_json` wrote.

        Raises:
            EvaluationError: an entry is missing or of the wrong kind.
        """
        try:
            if data["resampled"] not in UNITS:
                raise ValueError(f"resampled is {data['resampled']!r}, expected one of {', '.join(UNITS)}")
            return super().from_json({**data, "metrics": {name: data["figures"][name] for name in METRICS}})
        except (KeyError, TypeError, ValueError) as error:
            raise EvaluationError(
                f"A stored evaluation cannot be read ({error!r}); evaluate the model again."
            ) from error


def evaluate(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    *,
    threshold: float = 0.5,
    groups: npt.ArrayLike | None = None,
    unit: str = "slide",
    resamples: int = 2000,
    seed: int = 0,
) -> Evaluation:
    """Compute all metrics with 95% CIs.

    Without slides, patches are taken as independent and the intervals are closed forms (see `intervals`) but
    for MCC and ECE, which need draws of a few numbers; this takes well under a second for 220,025 patches.
    With slides, whole slides are drawn with replacement (see `bootstrap`), since patches of one slide
    resemble each other and intervals over patches would be too narrow. With fewer than `FEW` slides behind a
    metric each slide is left out in turn instead, and with fewer than `FEWEST` there is no interval (NaN). At the
    end of a scale, where no resample differs, the closed form with slides in place of patches is used. No
    interval over slides is narrower than that over patches.

    Args:
        labels: (N,) 0 or 1.
        probabilities: (N,) in [0, 1].
        threshold: in [0, 1]; a patch with at least this probability is called tumour.
        groups: (N,) slide ids of any kind, or None where they are not known.
        unit: what `groups` are, "slide" or "patient"; for words only.
        resamples: how many; fewer are drawn above 1e8 resampled patches in all, see `Evaluation.resamples`.
        seed: the result is the same for the same seed.

    Raises:
        EvaluationError: see `sample_of`; or the threshold lies outside [0, 1], or `resamples` is below 1.
    """
    sample = sample_of(labels, probabilities, groups)
    line = checked_share(threshold, name="The threshold")
    if resamples < 1:
        raise EvaluationError(f"resamples must be at least 1 (2000 is usual), got {resamples}.")
    matrix = confusion_matrix(sample.labels, sample.probabilities, threshold=line)
    if sample.slides is not None:
        resamples = resamples_for(sample.n, resamples)
    metrics = _by_patch(sample, matrix, draws=resamples, seed=seed)
    if sample.slides is not None:
        metrics = over_slides(sample, metrics, matrix, METRICS, threshold=line, resamples=resamples, seed=seed)
    return Evaluation(
        n=sample.n,
        positives=sample.positives,
        threshold=line,
        metrics=metrics,
        confusion=matrix,
        resampled="patch" if sample.slides is None else unit,
        resamples=resamples,
        slides=None if sample.slides is None else sample.units,
    )


def at_threshold(
    evaluation: Evaluation,
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    *,
    threshold: float,
    groups: npt.ArrayLike | None = None,
    seed: int = 0,
) -> Evaluation:
    """Move an evaluation to another threshold; only what depends on it is computed again.

    The evaluation is of the same patches; the other arguments are those of `evaluate`, with which it was made.

    This follows a slider over 220,025 patches and gives the same as `evaluate` at the new threshold.

    Raises:
        EvaluationError: the evaluation is of other patches or takes slides otherwise; or the input is bad, see
            `sample_of`.
    """
    matrix = confusion_matrix(labels, probabilities, threshold=threshold)
    by = "patch" if groups is None else "slide"
    alike = (evaluation.resampled == "patch") == (groups is None)
    if not alike or (matrix.n, matrix.positives) != (evaluation.n, evaluation.positives):
        raise EvaluationError(
            f"The evaluation (by {evaluation.resampled}, {evaluation.n:,} patches) cannot be moved with "
            f"these {matrix.n:,} labels (by {by}); it must be of the same patches. Evaluate again instead."
        )
    metrics = {**evaluation.metrics, **operating_intervals(matrix.counts, draws=evaluation.resamples, seed=seed)}
    if groups is not None:
        sample = sample_of(labels, probabilities, groups)
        metrics = over_slides(
            sample, metrics, matrix, THRESHOLD_METRICS,
            threshold=float(threshold), resamples=evaluation.resamples, seed=seed,
        )  # fmt: skip
    return dataclasses.replace(evaluation, threshold=float(threshold), metrics=metrics, confusion=matrix)


def _by_patch(sample: Sample, matrix: ConfusionMatrix, *, draws: int, seed: int) -> dict[str, Estimate]:
    losses = log_losses(sample.labels, sample.probabilities)
    gaps = calibration_gaps(sample)
    ece = without_interval(float(np.abs(gaps).sum()))
    if sample.n >= FEWEST:
        ece = ece_interval(gaps, gap_noise(sample, draws=draws, seed=seed))
    found = {
        "auc": auc_interval(sample.labels, sample.probabilities),
        "average_precision": average_precision_interval(sample.labels, sample.probabilities),
        **operating_intervals(matrix.counts, draws=draws, seed=seed),
        "nll": mean_interval(losses),
        "brier": mean_interval((sample.probabilities - sample.labels) ** 2),
        "ece": ece,
    }
    return {name: found[name] for name in METRICS}
