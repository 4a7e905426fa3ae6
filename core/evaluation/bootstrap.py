"""The bootstrap and the jackknife: every metric on many resamples of slides (or patches) at once.

With few slides the bootstrap's intervals are too narrow, whatever is done to its quantiles: see FEW.

A resample is a vector of weights, how often each slide or patch was drawn. Patches are sorted once; all
metrics follow from cumulated and summed weights, computed for a chunk of resamples at a time so that memory
stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr
from scipy.stats import t

from core.evaluation.calibration_error import bin_of
from core.evaluation.estimate import FEWEST, Estimate, holding, without_interval
from core.evaluation.intervals import Z, logit_interval, wilson
from core.evaluation.metrics import ECE_BINS, log_losses, ratio, threshold_metrics
from core.evaluation.sample import BoolArray, FloatArray, IntArray, Sample

FEW = 20
"""With fewer, intervals come from leaving out each in turn, with Student's t, and not from the bootstrap.

So does the literature on few clusters: the jackknife over clusters with G - 1 degrees of freedom errs on the wide side
(Bell & McCaffrey 2002; Hansen 2025; MacKinnon, Nielsen & Webb 2023), and below four of them it says hardly anything.
`benchmarks/coverage.py` measures what both cover.
"""

FEWEST_RESAMPLES = 200
_MOST_WEIGHTS = 100_000_000  # patches x resamples in all: about ten seconds
_CHUNK_WEIGHTS = 1_000_000  # patches x resamples at once: about 50 MB


@dataclass(frozen=True, eq=False)
class Replicates:
    """The metrics of one model on R resamples.

    Attributes:
        metrics: name to (R,) float64; NaN where a resample does not define the metric.
        gaps: (R, B) float64, the calibration gaps of each resample.
    """

    metrics: dict[str, FloatArray]
    gaps: FloatArray


def resamples_for(patches: int, wanted: int) -> int:
    """Return how many resamples are drawn: those wanted, or fewer (at least 200) above 1e8 patches in all."""
    return min(wanted, max(FEWEST_RESAMPLES, _MOST_WEIGHTS // patches))


def replicate(
    samples: Sequence[Sample], *, thresholds: Sequence[float], resamples: int, seed: int, ranked: bool = True
) -> list[Replicates]:
    """Compute all metrics of one or more models on the same resamples.

    Slides are drawn with replacement where they are known, patches otherwise.

    Args:
        samples: one for each model, with the same labels and slides.
        thresholds: one for each model; a patch with at least this probability is called tumour.
        resamples: how many, R.
        seed: makes the draws repeatable.
        ranked: whether AUC and average precision are wanted; without them (NaN) it is many times faster.
    """
    weights = _weights(samples[0].units, samples[0].n, resamples, seed)
    return _weighted(samples, thresholds, weights, ranked=ranked)


def leave_one_out(samples: Sequence[Sample], *, thresholds: Sequence[float], ranked: bool = True) -> list[Replicates]:
    """Compute all metrics without each of the slides (or patches) in turn; arguments as of `replicate`."""
    if not ranked:  # what is left of all that adds up
        sums = [_unit_sums(sample, threshold) for sample, threshold in zip(samples, thresholds, strict=True)]
        return [_replicates(np.full((len(each), 2), np.nan), each.sum(axis=0) - each) for each in sums]
    return _weighted(samples, thresholds, _all_but_one(samples[0].units, samples[0].n), ranked=ranked)


def is_few(units: int, sample: Sample) -> bool:
    """Whether a metric that so many slides (or patches) carry takes the jackknife and not the bootstrap.

    Where only one class lies on few of very many slides, leaving out each of them would take too long.
    """
    return units < FEW and sample.units * sample.n <= _MOST_WEIGHTS


def jackknife_variance(value: float, replicates: FloatArray, *, units: int) -> float:
    """Return the jackknife's variance of a metric, around the metric itself and not around the mean of its replicates.

    Args:
        value: the metric on the sample itself.
        replicates: (U,) float64, the metric without each slide (or patch).
        units: how many of these carry the metric; leaving out another one changes nothing.
    """
    return float(np.nansum((replicates - value) ** 2)) * (units - 1) / units


def jackknife_interval(name: str, value: float, replicates: FloatArray, *, units: int) -> Estimate:
    """Return the interval of a metric with few slides: Student's t on the scale on which the metric has no ends.

    Arguments are those of `jackknife_variance`; a `name` that is not NLL or MCC is of a share.

    That is the logit for shares, the logit of (1 + MCC) / 2, and the logarithm of the NLL. At an end of its scale a
    metric has no such interval.
    """
    variance = jackknife_variance(value, replicates, units=units)
    quantile = float(t.ppf(0.975, units - 1))
    if name == "nll":
        factor = float(np.exp(min(quantile * np.sqrt(variance) / value, 700.0))) if value > 0 else 1.0
        return holding(value, value / factor, value * factor)
    if name == "mcc":
        share = jackknife_interval("share", (1 + value) / 2, (1 + replicates) / 2, units=units)
        return Estimate(value, 2 * share.low - 1, 2 * share.high - 1)
    return logit_interval(value, variance, quantile=quantile) if 0.0 < value < 1.0 else without_interval(value)


def _weighted(
    samples: Sequence[Sample], thresholds: Sequence[float], chunks: Iterator[FloatArray], *, ranked: bool
) -> list[Replicates]:
    slides = samples[0].slides
    models = [
        (_Ranking.of(sample) if ranked else None, _unit_sums(sample, threshold))
        for sample, threshold in zip(samples, thresholds, strict=True)
    ]
    found: list[list[FloatArray]] = [[] for _ in samples]
    summed: list[list[FloatArray]] = [[] for _ in samples]
    for weights in chunks:
        by_patch = weights if slides is None or not ranked else weights[:, slides]
        for (ranking, sums), areas, totals in zip(models, found, summed, strict=True):
            areas.append(ranking.areas(by_patch) if ranking else np.full((len(weights), 2), np.nan))
            totals.append(weights @ sums)
    return [_replicates(np.concatenate(a), np.concatenate(s)) for a, s in zip(found, summed, strict=True)]


def percentile_interval(value: float, replicates: FloatArray, *, units: int) -> Estimate:
    """Return the percentile interval, widened for few units.

    With few slides a percentile interval is too narrow; Hesterberg (2015, section 5.3) takes quantiles
    further out, by the ratio of Student's t to the normal. Resamples that do not define the metric are
    excluded.

    Args:
        value: the metric on the sample itself.
        replicates: (R,) float64.
        units: how many slides (or patches) carry the metric.
    """
    defined = replicates[~np.isnan(replicates)]
    if np.isnan(value) or units < FEWEST or len(defined) < 2:
        return without_interval(value)
    tail = float(ndtr(np.sqrt(units / (units - 1)) * t.ppf(0.025, units - 1)))
    low, high = np.quantile(defined, (tail, 1 - tail))
    return holding(value, low, high)


def share_over_slides(value: float, replicates: FloatArray, end: float, *, units: int, few: bool) -> Estimate:
    """Return the interval of a share over slides; where none differs, Wilson's with slides in place of patches.

    Args:
        value: the share in the sample itself.
        replicates: (R,) float64, the share on resamples of slides, or without each of them where they are few.
        end: how many slides stand for the patches where none differs.
        units: how many slides carry the share.
        few: whether `replicates` leave out one slide each, see `is_few`.
    """
    each = _few_shares(value, replicates, units) if few else percentile_interval(value, replicates, units=units)
    closed = wilson(value * end, end)
    return each if each.has_interval else holding(value, closed.low, closed.high)


def _few_shares(value: float, replicates: FloatArray, units: int) -> Estimate:
    variance = jackknife_variance(value, replicates, units=units)
    if not (0.0 < value < 1.0 and variance > 0.0):
        return without_interval(value)
    # Near 0 and 1 the logit's interval reaches the other end of the scale. Wilson's with as many patches as have this
    # variance does not; the ratio stands for few slides (Korn & Graubard, Surv Methodol 24:193, 1998).
    alike = value * (1 - value) / variance * (Z / float(t.ppf(0.975, units - 1))) ** 2
    return wilson(value * alike, alike)


@dataclass(frozen=True, eq=False)
class _Ranking:
    """Patches from the most to the least suspicious, and where each run of equal probabilities ends."""

    order: IntArray
    labels: BoolArray
    ends: IntArray

    @classmethod
    def of(cls, sample: Sample) -> _Ranking:
        order = np.argsort(-sample.probabilities, kind="stable")
        falling = sample.probabilities[order]
        ends = np.flatnonzero(np.append(falling[:-1] != falling[1:], True))
        return cls(order, sample.labels[order], ends)

    def areas(self, weights: FloatArray) -> FloatArray:
        """Return AUC and average precision, (R, 2), of weights (R, N) in the order of the patches."""
        ranked = weights[:, self.order]
        called = np.cumsum(ranked, axis=1)
        true = np.cumsum(ranked * self.labels, axis=1)
        if len(self.ends) < len(self.order):
            called, true = called[:, self.ends], true[:, self.ends]
        positives = true[:, -1]
        negatives = called[:, -1] - positives
        found = np.diff(true, axis=1, prepend=0.0)
        false = called - true
        # A tumour patch wins against each normal patch after its run of equal probabilities, and half within.
        half_run = np.diff(false, axis=1, prepend=0.0) / 2
        wins = np.einsum("rk,rk->r", found, negatives[:, None] - false + half_run)
        precision = np.divide(true, called, out=np.zeros_like(true), where=called > 0)
        steps = np.einsum("rk,rk->r", found, precision)
        defined = (positives > 0) & (negatives > 0)
        out = np.full((len(weights), 2), np.nan)
        np.divide(wins, positives * negatives, out=out[:, 0], where=defined)
        np.divide(steps, positives, out=out[:, 1], where=defined)
        return out


def _weights(units: int, patches: int, resamples: int, seed: int) -> Iterator[FloatArray]:
    """Yield chunks (R, units) of how often each unit was drawn, multinomial with equal chances."""
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK_WEIGHTS // patches)
    for first in range(0, resamples, step):
        rows = min(step, resamples - first)
        drawn = generator.integers(units, size=(rows, units))
        drawn += np.arange(rows)[:, None] * units
        yield np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(np.float64)


def _all_but_one(units: int, patches: int) -> Iterator[FloatArray]:
    """Yield chunks (R, units) of weights that are 0 for one unit and 1 for all others."""
    step = max(1, _CHUNK_WEIGHTS // patches)
    for first in range(0, units, step):
        rows = np.arange(first, min(first + step, units))
        weights = np.ones((len(rows), units))
        weights[np.arange(len(rows)), rows] = 0.0
        yield weights


def _unit_sums(sample: Sample, threshold: float) -> FloatArray:
    """Sum, within each unit, all that adds up: tn, fp, fn, tp, NLL, Brier and the excess of each ECE bin."""
    called = sample.probabilities >= threshold
    excess = sample.probabilities - sample.labels
    terms = np.zeros((sample.n, 6 + ECE_BINS))
    rows = np.arange(sample.n)
    terms[rows, 2 * sample.labels + called] = 1.0
    terms[:, 4] = log_losses(sample.labels, sample.probabilities)
    terms[:, 5] = excess**2
    terms[rows, 6 + bin_of(sample.probabilities)] = excess
    if sample.slides is None:
        return terms
    sums = np.zeros((sample.units, terms.shape[1]))
    np.add.at(sums, sample.slides, terms)
    return sums


def _replicates(areas: FloatArray, sums: FloatArray) -> Replicates:
    counts = sums[:, :4]
    patches = counts.sum(axis=1, keepdims=True)
    gaps = ratio(sums[:, 6:], patches)  # without its only patch a sample has none
    metrics = {"auc": areas[:, 0], "average_precision": areas[:, 1], **threshold_metrics(counts)}
    metrics["nll"] = ratio(sums[:, 4], patches[:, 0])
    metrics["brier"] = ratio(sums[:, 5], patches[:, 0])
    metrics["ece"] = np.abs(gaps).sum(axis=1)
    return Replicates(metrics, gaps)
