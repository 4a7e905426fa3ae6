"""The metrics of subgroups of the patches: where is the model worse?"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import EvaluationError
from core.evaluation.confusion import ConfusionMatrix
from core.evaluation.estimate import Estimate
from core.evaluation.evaluation import evaluate
from core.evaluation.sample import checked_share, require_equal_length, sample_of

SMALL = 30
"""Subgroups with fewer patches are marked as small."""

DRAWS = 500
"""Of the intervals of MCC and ECE."""

BINS = 4


@dataclass(frozen=True)
class Subgroup:
    """The patches that share one value, and how the model did on them.

    Attributes:
        value: what they share, such as a slide id; None for patches where it is missing.
        n: number of patches.
        positives: how many of them are labelled tumour.
        metrics: name to estimate; NaN where the subgroup holds one class only and the metric needs both.
        confusion: right and wrong decisions.
        is_small: too few patches to read much into the metrics.
    """

    value: Hashable
    n: int
    positives: int
    metrics: dict[str, Estimate]
    confusion: ConfusionMatrix
    is_small: bool


def subgroups(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    by: npt.ArrayLike,
    *,
    threshold: float = 0.5,
) -> list[Subgroup]:
    """Evaluate the patches of each value of `by` apart, with intervals over patches.

    `by` (N,) has one value for each patch: slide ids, clusters, or the bins of `quantile_bins`; the other arguments are
    those of `evaluate`.

    Returns:
        The subgroups in the order of their values; patches whose value is missing come last.

    Raises:
        EvaluationError: see `sample_of`; or `by` has another length, or the threshold lies outside [0, 1].
    """
    sample = sample_of(labels, probabilities)
    line = checked_share(threshold, name="The threshold")
    values = np.asarray(by)
    require_equal_length(labels=sample.labels, by=values)
    found = []
    for value, rows in _rows_by_value(values):
        result = evaluate(sample.labels[rows], sample.probabilities[rows], threshold=line, resamples=DRAWS)
        found.append(Subgroup(value, result.n, result.positives, result.metrics, result.confusion, result.n < SMALL))
    return found


def quantile_bins(values: npt.ArrayLike) -> npt.NDArray[np.object_]:
    """Sort a continuous quantity (N,), such as brightness, into four bins with about as many patches each.

    Equal values share a bin, so there may be fewer bins. Missing values (NaN) stay None.

    Returns:
        (N,) objects: (lowest, highest) of the bin each patch is in, ready for `subgroups`.

    Raises:
        EvaluationError: there are no values.
    """
    numbers = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(numbers)
    if not known.any():
        raise EvaluationError(f"0 known values cannot go into {BINS} bins; at least one of each is needed.")
    cuts = np.unique(np.quantile(numbers[known], np.linspace(0, 1, BINS + 1)[1:-1], method="lower"))
    index = np.searchsorted(cuts, numbers, side="left")
    out = np.full(len(numbers), None, dtype=object)
    for number in np.unique(index[known]):
        rows = np.flatnonzero(known & (index == number))
        span = (float(numbers[rows].min()), float(numbers[rows].max()))
        for row in rows:
            out[row] = span
    return out


def _rows_by_value(values: npt.NDArray[Any]) -> list[tuple[Hashable, npt.NDArray[np.intp]]]:
    """Return each value with its row numbers, in order, None last."""
    if values.ndim != 1:
        raise EvaluationError(f"The values to group by have shape {values.shape}; expected one per patch, (N,).")
    missing = pd.isna(values)
    known = np.flatnonzero(~missing)
    items = values[known].tolist()
    rows: dict[Hashable, list[int]] = {}
    for row, item in zip(known.tolist(), items, strict=True):
        rows.setdefault(item, []).append(row)
    found: list[tuple[Hashable, npt.NDArray[np.intp]]] = [
        (value, np.array(rows[value], dtype=np.intp)) for value in _in_order(rows)
    ]
    if missing.any():
        found.append((None, np.flatnonzero(missing)))
    return found


def _in_order(values: Any) -> list[Hashable]:
    """Sort values; a mix of kinds that has no order of its own is sorted as text."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=str)
