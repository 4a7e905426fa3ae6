"""The intervals of the metrics over slides, whose patches resemble each other."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np

from core.evaluation.bootstrap import (
    Replicates,
    is_few,
    jackknife_interval,
    leave_one_out,
    percentile_interval,
    replicate,
)
from core.evaluation.calibration_error import calibration_gaps, ece_interval, student_draws
from core.evaluation.confusion import ConfusionMatrix
from core.evaluation.estimate import FEWEST, Estimate, holding, no_narrower, without_interval
from core.evaluation.intervals import newcombe_auc, operating_intervals, wilson
from core.evaluation.metrics import METRICS, THRESHOLD_METRICS
from core.evaluation.sample import FloatArray, Sample


def over_slides(
    sample: Sample,
    metrics: dict[str, Estimate],
    matrix: ConfusionMatrix,
    names: Collection[str],
    *,
    threshold: float,
    resamples: int,
    seed: int,
) -> dict[str, Estimate]:
    """Return `metrics` with the intervals of those in `names` over slides, see `evaluate`.

    `metrics` have intervals over patches, which those over slides are never narrower than; the confusion matrix is that
    of the threshold.
    """
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


def _slide_noise(sample: Sample, replicates: Replicates, *, left_out: bool, draws: int, seed: int) -> FloatArray:
    """Return sampling errors of the calibration gaps, (R, B), from resamples of slides or from leaving out each."""
    errors = replicates.gaps - calibration_gaps(sample)
    if not left_out:
        return errors
    units = sample.units
    return student_draws(errors * math.sqrt((units - 1) / units), units=units, draws=draws, seed=seed)


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
    found = operating_intervals(matrix.counts * scale, draws=draws, seed=seed)
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
