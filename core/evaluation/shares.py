"""Shares of patches with a 95% CI over slides, where they are known."""

from __future__ import annotations

import numpy as np

from core.evaluation.bootstrap import is_few, share_over_slides
from core.evaluation.estimate import FEWEST, Estimate, no_narrower, without_interval
from core.evaluation.intervals import wilson
from core.evaluation.metrics import ratio
from core.evaluation.sample import BoolArray, Sample

RESAMPLES = 1000


def share_of(sample: Sample, hit: BoolArray, among: BoolArray) -> Estimate:
    """Return the share of `hit` among some of the patches, by the rules of the metrics in `evaluate`.

    Where slides are not known the interval is Wilson's over patches. Else slides are resampled, or each left out in
    turn below `FEW` of them; below `FEWEST` there is no interval, and nowhere is it narrower than over patches.

    Args:
        sample: the patches.
        hit: (N,) what is counted.
        among: (N,) of which patches; the share of nothing is undefined.
    """
    by_patch = wilson(int((hit & among).sum()), int(among.sum()))
    if sample.slides is None or not by_patch.is_defined:
        return by_patch
    totals = np.bincount(sample.slides, weights=among, minlength=sample.units)
    hits = np.bincount(sample.slides, weights=hit & among, minlength=sample.units)
    units = int(np.count_nonzero(totals))
    if units < FEWEST:
        return without_interval(by_patch.value)
    few = is_few(units, sample)
    if few:
        replicates = ratio(hits.sum() - hits, totals.sum() - totals)
    else:
        even = np.full(sample.units, 1 / sample.units)
        weights = np.random.default_rng(0).multinomial(sample.units, even, RESAMPLES).astype(np.float64)
        replicates = ratio(weights @ hits, weights @ totals)
    return no_narrower(share_over_slides(by_patch.value, replicates, units, units=units, few=few), by_patch)
