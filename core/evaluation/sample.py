"""The checked input of every metric: labels, probabilities and, where known, the slide of each patch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import EvaluationError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Sample:
    """Labels and probabilities of the same patches, already checked.

    Attributes:
        labels: (N,) bool, True for tumour.
        probabilities: (N,) float64 in [0, 1], the probability of tumour.
        slides: (N,) numbers 0 to S - 1 of the slide of each patch, or None where slides are not known.
    """

    labels: BoolArray
    probabilities: FloatArray
    slides: IntArray | None = None

    @property
    def n(self) -> int:
        """How many patches there are."""
        return len(self.labels)

    @cached_property
    def positives(self) -> int:
        """How many patches are labelled tumour."""
        return int(self.labels.sum())

    @property
    def negatives(self) -> int:
        """How many patches are labelled normal."""
        return self.n - self.positives

    @cached_property
    def units(self) -> int:
        """How many things are sampled independently: slides where they are known, patches otherwise."""
        return self.n if self.slides is None else int(self.slides.max()) + 1

    def units_with(self, label: bool) -> int:
        """How many slides (or patches) hold at least one patch of this label."""
        if self.slides is None:
            return self.positives if label else self.negatives
        return len(np.unique(self.slides[self.labels == label]))


def sample_of(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    both_classes: bool = False,
) -> Sample:
    """Check labels, probabilities and slide ids and put them together.

    Args:
        labels: (N,) 0 or 1 (or bool).
        probabilities: (N,) numbers in [0, 1].
        groups: (N,) slide ids of any kind, or None.
        both_classes: whether the caller's metric needs patches of both classes.

    Raises:
        EvaluationError: a value is missing or out of range, lengths differ, or a needed class is absent.
    """
    checked = checked_labels(labels)
    values = checked_probabilities(probabilities)
    require_equal_length(labels=checked, probabilities=values)
    slides = None
    if groups is not None:
        slides = _slide_numbers(groups)
        require_equal_length(labels=checked, groups=slides)
    sample = Sample(checked, values, slides)
    if both_classes:
        require_both_classes(sample.labels)
    return sample


def checked_labels(labels: npt.ArrayLike) -> BoolArray:
    """Return labels as (N,) bool, True for tumour.

    Raises:
        EvaluationError: there are none, some are missing, or some are neither 0 nor 1.
    """
    if labels is None:
        raise EvaluationError("There are no labels. Metrics need a label (0 normal, 1 tumour) for every patch.")
    array = _vector(labels, name="labels")
    if array.dtype == np.bool_:
        return array.astype(np.bool_)
    numbers = _numbers(array, name="labels")
    missing = int(np.isnan(numbers).sum())
    if missing:
        raise EvaluationError(
            f"Labels are missing for {missing:,} of {len(numbers):,} patches. "
            "Metrics need a label for every patch: exclude the unlabelled ones."
        )
    wrong = numbers[(numbers != 0) & (numbers != 1)]
    if len(wrong):
        raise EvaluationError(
            f"{len(wrong):,} labels are neither 0 (normal) nor 1 (tumour), the first is {wrong[0]:g}."
        )
    return np.asarray(numbers == 1, dtype=np.bool_)


def checked_probabilities(probabilities: npt.ArrayLike, *, name: str = "probabilities") -> FloatArray:
    """Return probabilities as (N,) float64 in [0, 1].

    Raises:
        EvaluationError: there are none, some are not a number, or some lie outside [0, 1].
    """
    values = _numbers(_vector(probabilities, name=name), name=name)
    missing = int(np.isnan(values).sum())
    if missing:
        raise EvaluationError(
            f"{missing:,} of {len(values):,} {name} are not a number (NaN). "
            "The model failed on these patches: find out why, or exclude them."
        )
    outside = values[(values < 0) | (values > 1)]
    if len(outside):
        raise EvaluationError(
            f"{len(outside):,} {name} lie outside [0, 1], the first is {outside[0]:g}. "
            "If these are logits, convert them to probabilities first."
        )
    return values


def checked_logits(logits: npt.ArrayLike) -> FloatArray:
    """Return logits as (N,) finite float64.

    Raises:
        EvaluationError: there are none, or some are not finite.
    """
    values = _numbers(_vector(logits, name="logits"), name="logits")
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        raise EvaluationError(f"{wrong:,} of {len(values):,} logits are not finite; every logit must be a number.")
    return values


def checked_share(value: float, *, name: str) -> float:
    """Return a threshold or a target share as a float in [0, 1].

    Raises:
        EvaluationError: it lies outside [0, 1] or is not a number.
    """
    number = float(value)
    if not 0.0 <= number <= 1.0:
        raise EvaluationError(f"{name} must be 0 to 1, got {number:g}.")
    return number


def require_prevalence(share: float) -> None:
    """Refuse a share of tumour that is not above 0 and below 1. Raises :class:`EvaluationError`."""
    if not 0 < share < 1:
        raise EvaluationError(f"A prevalence must be above 0 and below 1, got {share:g}.")


def require_both_classes(labels: BoolArray) -> None:
    """Refuse labels of one class only.

    Raises:
        EvaluationError: all patches are tumour, or all are normal.
    """
    if labels.all() or not labels.any():
        only = "tumour" if labels.all() else "normal"
        raise EvaluationError(
            f"All {len(labels):,} patches are labelled {only}; this needs both tumour and normal patches. "
            "Choose a data set or split that holds both."
        )


def require_equal_length(**arrays: npt.NDArray[Any]) -> None:
    """Refuse arrays of different lengths.

    Raises:
        EvaluationError: the lengths differ; the message names them.
    """
    if len({len(array) for array in arrays.values()}) > 1:
        found = ", ".join(f"{len(array):,} {name}" for name, array in arrays.items())
        raise EvaluationError(f"Got {found}; there must be as many of each, in the same order.")


def _slide_numbers(groups: npt.ArrayLike) -> IntArray:
    array = _vector(groups, name="groups")
    missing = int(pd.isna(array).sum())
    if missing:
        raise EvaluationError(
            f"The slide is unknown for {missing:,} of {len(array):,} patches. Intervals by slide need the "
            "slide of every patch: exclude those patches, or give no slides at all."
        )
    names = array.astype(str) if array.dtype.kind == "O" else array
    return np.unique(names, return_inverse=True)[1].astype(np.intp)


def _vector(values: npt.ArrayLike, *, name: str) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise EvaluationError(f"The {name} have shape {array.shape}; expected one number per patch, shape (N,).")
    if len(array) == 0:
        raise EvaluationError(f"There are no {name}: the list is empty. Choose a split that holds patches.")
    return array


def _numbers(array: npt.NDArray[Any], *, name: str) -> FloatArray:
    if array.dtype.kind not in "biufO":
        raise EvaluationError(f"The {name} are of type {array.dtype}; expected numbers.")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise EvaluationError(f"Some {name} are missing or are not numbers ({error}).") from error
