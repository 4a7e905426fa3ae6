"""All metrics of one model on one set of patches, with their intervals."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import EvaluationError
from core.evaluation.bootstrap import (
    Replicates,
    is_few,
    jackknife_interval,
    leave_one_out,
    percentile_interval,
    replicate,
    resamples_for,
)
from core.evaluation.calibration_error import calibration_gaps, ece_interval, gap_noise, student_draws
from core.evaluation.confusion import ConfusionMatrix, confusion_matrix
from core.evaluation.estimate import FEWEST, Estimate, holding, no_narrower, without_interval
from core.evaluation.intervals import (
    auc_interval,
    average_precision_interval,
    mean_interval,
    newcombe_auc,
    operating_intervals,
    wilson,
)
from core.evaluation.metrics import METRICS, THRESHOLD_METRICS, log_losses
from core.evaluation.sample import FloatArray, Sample, checked_share, sample_of

UNITS = ("patch", "slide", "patient")
"""What intervals may take as independent."""


@dataclass(frozen=True)
class Evaluation:
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
        own = {"figures" if name == "metrics" else name: value for name, value in vars(self).items()}
        own["figures"] = {name: estimate.to_json() for name, estimate in self.metrics.items()}
        own["confusion"] = self.confusion.to_json()
        return own

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evaluation:
        """Read what `to_json` wrote.

        Raises:
            EvaluationError: an entry is missing or of the wrong kind.
        """
        try:
            if data["resampled"] not in UNITS:
                raise ValueError(f"resampled is {data['resampled']!r}, expected one of {', '.join(UNITS)}")
            return cls(
                n=int(data["n"]),
                positives=int(data["positives"]),
                threshold=float(data["threshold"]),
                metrics={name: Estimate.from_json(data["figures"][name]) for name in METRICS},
                confusion=ConfusionMatrix.from_json(data["confusion"]),
                resampled=data["resampled"],
                resamples=int(data["resamples"]),
                slides=None if data["slides"] is None else int(data["slides"]),
            )
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
        metrics = _by_slide(sample, metrics, matrix, METRICS, threshold=line, resamples=resamples, seed=seed)
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

    This follows a slider over 220,025 patches and gives the same as `evaluate` at the new threshold.

    Args:
        evaluation: of the same labels, probabilities and slides.
        labels: (N,) 0 or 1.
        probabilities: (N,) in [0, 1].
        threshold: the new one, in [0, 1].
        groups: (N,) slide ids, as given to `evaluate`.
        seed: as given to `evaluate`.

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
    metrics = {**evaluation.metrics, **operating_intervals(_counts(matrix), draws=evaluation.resamples, seed=seed)}
    if groups is not None:
        sample = sample_of(labels, probabilities, groups)
        metrics = _by_slide(
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
        **operating_intervals(_counts(matrix), draws=draws, seed=seed),
        "nll": mean_interval(losses),
        "brier": mean_interval((sample.probabilities - sample.labels) ** 2),
        "ece": ece,
    }
    return {name: found[name] for name in METRICS}


def _by_slide(
    sample: Sample,
    metrics: dict[str, Estimate],
    matrix: ConfusionMatrix,
    names: Collection[str],
    *,
    threshold: float,
    resamples: int,
    seed: int,
) -> dict[str, Estimate]:
    """Return `metrics` with the intervals of those in `names` over slides."""
    units = slides_behind(sample)
    few = [name for name in names if is_few(units[name], sample)]
    # Ranking the patches takes most of the time, and only AUC and average precision need it.
    ranked = "auc" in names
    replicates: dict[str, Replicates] = {}
    if few:
        replicates |= dict.fromkeys(few, leave_one_out([sample], thresholds=[threshold], ranked=ranked)[0])
    if len(few) < len(names):
        (drawn,) = replicate([sample], thresholds=[threshold], resamples=resamples, seed=seed, ranked=ranked)
        replicates = dict.fromkeys(names, drawn) | replicates
    ends = _where_none_differs(sample, matrix, metrics, replicates, draws=resamples, seed=seed)
    found = dict(metrics)
    for name in names:
        by_patch = metrics[name]
        if not by_patch.is_defined or units[name] < FEWEST:
            found[name] = without_interval(by_patch.value)
        elif name in ends:
            found[name] = no_narrower(ends[name], by_patch)
        elif name == "ece":
            noise = _slide_noise(sample, replicates[name], left_out=name in few, draws=resamples, seed=seed)
            # Where slides differ, their own gaps are unlike those of all: the spread of the ECE tells.
            left = (
                replicates[name] if name in few
                else leave_one_out([sample], thresholds=[threshold], ranked=False)[0]
            )  # fmt: skip
            spread = jackknife_interval(name, by_patch.value, left.metrics[name], units=units[name])
            by_slide = no_narrower(ece_interval(calibration_gaps(sample), noise), spread)
            found[name] = no_narrower(by_slide, by_patch)
        else:
            found[name] = no_narrower(
                jackknife_interval(name, by_patch.value, replicates[name].metrics[name], units=units[name])
                if name in few
                else percentile_interval(by_patch.value, replicates[name].metrics[name], units=units[name]),
                by_patch,
            )
    return found


def _slide_noise(sample: Sample, replicates: Replicates, *, left_out: bool, draws: int, seed: int) -> FloatArray:
    """Return sampling errors of the calibration gaps, (R, B), from resamples of slides or from leaving out each."""
    errors = replicates.gaps - calibration_gaps(sample)
    if not left_out:
        return errors
    units = sample.units
    return student_draws(errors * math.sqrt((units - 1) / units), units=units, draws=draws, seed=seed)


def slides_behind(sample: Sample) -> dict[str, int]:
    """Return, for each metric, how many slides (or patches) carry it.

    Sensitivity rests on those with tumour patches, specificity on those with normal ones, the metrics that
    weigh both classes on the fewer of the two, and all others on every one.
    """
    tumour, normal = sample.units_with(True), sample.units_with(False)
    fewer = min(tumour, normal)
    special = {"sensitivity": tumour, "f1": tumour, "specificity": normal}
    special |= dict.fromkeys(("auc", "average_precision", "balanced_accuracy", "mcc"), fewer)
    return {name: special.get(name, sample.units) for name in METRICS}


def _where_none_differs(
    sample: Sample,
    matrix: ConfusionMatrix,
    by_patch: dict[str, Estimate],
    replicates: Mapping[str, Replicates],
    *,
    draws: int,
    seed: int,
) -> dict[str, Estimate]:
    """Return closed forms, with slides in place of patches, for metrics that are the same in every resample.

    So it is at the ends of a scale, such as a sensitivity of 1. How alike the patches of a slide are cannot
    be seen from such data, so each slide counts as one patch of each class it holds: the cautious reading.
    """
    tumour, normal = float(sample.units_with(True)), float(sample.units_with(False))
    scale = np.array([normal / max(sample.negatives, 1)] * 2 + [tumour / max(sample.positives, 1)] * 2)
    found = operating_intervals(_counts(matrix) * scale, draws=draws, seed=seed)
    alike = [name for name in THRESHOLD_METRICS if _is_constant(replicates[name].metrics[name])]
    auc, precision = by_patch["auc"].value, by_patch["average_precision"].value
    if auc in (0.0, 1.0):
        found["auc"] = newcombe_auc(auc, tumour, normal)
        alike.append("auc")
    if precision == 1.0:
        found["average_precision"] = wilson(tumour, tumour)
        alike.append("average_precision")
    return {name: holding(by_patch[name].value, found[name].low, found[name].high) for name in alike}


def _is_constant(replicates: FloatArray) -> bool:
    return len(np.unique(replicates[~np.isnan(replicates)])) == 1


def _counts(matrix: ConfusionMatrix) -> FloatArray:
    return np.array([matrix.tn, matrix.fp, matrix.fn, matrix.tp], dtype=np.float64)
