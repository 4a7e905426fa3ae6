"""Two models on the same patches: the difference of each metric, with an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, t

from core.errors import EvaluationError
from core.evaluation.bootstrap import (
    is_few,
    jackknife_variance,
    leave_one_out,
    percentile_interval,
    replicate,
    resamples_for,
)
from core.evaluation.estimate import FEWEST, UNDEFINED, Estimate, holding, no_narrower, without_interval
from core.evaluation.evaluation import evaluate
from core.evaluation.intervals import Z, mean_of_two
from core.evaluation.metrics import METRICS
from core.evaluation.over_slides import slides_behind
from core.evaluation.sample import (
    BoolArray,
    FloatArray,
    Sample,
    checked_labels,
    checked_probabilities,
    checked_share,
    require_equal_length,
    sample_of,
)


def compare(
    labels: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
    threshold: float = 0.5,
    second_threshold: float | None = None,
) -> dict[str, Estimate]:
    """Return first minus second for every metric, with the 95% CI of the paired difference.

    Both models see the same resamples, so what makes a patch hard for both cancels. Without slides, accuracy,
    sensitivity and specificity take the interval of Bonett & Price (2012) for paired shares, and balanced
    accuracy is put together from the last two; these have a width even where the models never disagree. All
    others, and all of them with slides, are percentile intervals of the bootstrap, with as many resamples as
    `resamples_for(n, resamples)` says. With fewer than `FEW` slides (or patches) behind a metric each is left out
    in turn instead (Student's t), and with fewer than `FEWEST`, or where the models do not differ at all, there is
    no interval. With slides, shares and metrics of few slides have none that is narrower than over patches.

    Args:
        labels: (N,) 0 or 1.
        first: (N,) probabilities of the first model.
        second: (N,) probabilities of the second model.
        groups: (N,) slide ids, or None where they are not known.
        resamples: how many.
        seed: the result is the same for the same seed.
        threshold: of both models, or of the first where the second has its own.
        second_threshold: of the second model, if it differs.

    Returns:
        Name to estimate, in the order of `METRICS`. Above 0 means that the metric of the first is larger,
        which is worse for NLL, Brier score and ECE.

    Raises:
        EvaluationError: see `sample_of`; or a threshold lies outside [0, 1].
    """
    lines = [threshold, threshold if second_threshold is None else second_threshold]
    lines = [checked_share(line, name="A threshold") for line in lines]
    if resamples < 1:
        raise EvaluationError(f"resamples must be at least 1 (2000 is usual), got {resamples}.")
    one = sample_of(labels, first, groups)
    other_values = checked_probabilities(second, name="probabilities of the second model")
    require_equal_length(labels=one.labels, second=other_values)
    two = Sample(one.labels, other_values, one.slides)
    # One resample is enough for the metrics themselves; the intervals of their differences come from shared resamples.
    own, other = (
        evaluate(sample.labels, sample.probabilities, threshold=line, resamples=1).metrics
        for sample, line in zip((one, two), lines, strict=True)
    )
    values = {name: own[name].value - other[name].value for name in METRICS}
    return _intervals(one, two, lines, values, resamples=resamples_for(one.n, resamples), seed=seed)


def disagreements(
    first: npt.ArrayLike, second: npt.ArrayLike, *, threshold: float, second_threshold: float
) -> npt.NDArray[np.intp]:
    """Return the row numbers of the patches that two models decide differently, the furthest apart first.

    Arguments and errors are those of `compare`.
    """
    one, two = (checked_probabilities(values) for values in (first, second))
    require_equal_length(first=one, second=two)
    line = checked_share(threshold, name="The threshold")
    other = checked_share(second_threshold, name="The second threshold")
    rows = np.flatnonzero((one >= line) != (two >= other))
    return rows[np.argsort(-np.abs(one - two)[rows], kind="stable")].astype(np.intp)


@dataclass(frozen=True)
class McNemar:
    """How often only one of two models is right, and whether chance would do the same.

    Attributes:
        n: patches that both decided.
        only_first: of these, those that the first decides right and the second wrong.
        only_second: the other way round.
        p: of the exact test (two-sided); 1 where they are wrong on the same patches. Patches are taken as independent.
    """

    n: int
    only_first: int
    only_second: int
    p: float


def mcnemar(
    labels: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    threshold: float,
    second_threshold: float,
) -> McNemar:
    """Test whether two models are right equally often on the same patches (McNemar 1947, the exact binomial form).

    Arguments and errors are those of `compare`.
    """
    apart = disagreements(first, second, threshold=threshold, second_threshold=second_threshold)
    tumour = checked_labels(labels)
    require_equal_length(labels=tumour, probabilities=np.asarray(first))
    # Where two models decide differently, just one of them is right.
    only_first = int(((np.asarray(first)[apart] >= threshold) == tumour[apart]).sum())
    p = float(binomtest(only_first, len(apart)).pvalue) if len(apart) else 1.0
    return McNemar(len(tumour), only_first, len(apart) - only_first, p)


def _intervals(
    one: Sample, two: Sample, lines: list[float], values: Mapping[str, float], *, resamples: int, seed: int
) -> dict[str, Estimate]:
    units = slides_behind(one)
    few = [name for name in METRICS if is_few(units[name], one)]
    found: dict[str, Estimate] = {}
    if few:
        left_out, other = leave_one_out([one, two], thresholds=lines)
        for name in few:
            found[name] = _left_out_interval(
                name, values[name], left_out.metrics[name] - other.metrics[name], units=units[name]
            )
    if len(few) < len(METRICS):
        drawn, other = replicate([one, two], thresholds=lines, resamples=resamples, seed=seed)
        for name in METRICS:
            if name not in few:
                differences = drawn.metrics[name] - other.metrics[name]
                found[name] = percentile_interval(values[name], differences, units=units[name])
    shares = _paired_shares(one, two, lines)
    if one.slides is None:
        found |= shares
    else:
        # With many slides a second bootstrap would change hardly anything, and it takes seconds.
        by_patch = shares
        if few:
            alone = (replace(one, slides=None), replace(two, slides=None))
            by_patch = _intervals(alone[0], alone[1], lines, values, resamples=resamples, seed=seed)
        found |= {name: no_narrower(found[name], by_patch[name]) for name in (few or shares)}
    return {name: found[name] for name in METRICS}


def _left_out_interval(name: str, value: float, replicates: FloatArray, *, units: int) -> Estimate:
    if math.isnan(value) or units < FEWEST:
        return without_interval(value)
    half = float(t.ppf(0.975, units - 1)) * math.sqrt(jackknife_variance(value, replicates, units=units))
    most = {"nll": math.inf, "mcc": 2.0}.get(name, 1.0)
    return holding(value, max(-most, value - half), min(most, value + half))


def _paired_shares(one: Sample, two: Sample, lines: list[float]) -> dict[str, Estimate]:
    right = [(sample.probabilities >= line) == sample.labels for sample, line in zip((one, two), lines, strict=True)]
    tumour = one.labels
    sensitivity = _paired_share(right[0][tumour], right[1][tumour])
    specificity = _paired_share(right[0][~tumour], right[1][~tumour])
    return {
        "accuracy": _paired_share(*right),
        "balanced_accuracy": mean_of_two(sensitivity, specificity),
        "sensitivity": sensitivity,
        "specificity": specificity,
    }


def _paired_share(first: BoolArray, second: BoolArray) -> Estimate:
    """Return the difference of two shares of the same patches (Bonett & Price 2012).

    One disagreement is added each way, so that no disagreement at all does not look like certainty.
    """
    n = len(first)
    if n == 0:
        return UNDEFINED
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    more, less = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    half = Z * math.sqrt((more + less - (more - less) ** 2) / (n + 2))
    value = (only_first - only_second) / n
    return Estimate(value, max(-1.0, min(value, more - less - half)), min(1.0, max(value, more - less + half)))
