"""A number with its 95% CI."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import EvaluationError

FEWEST = 4
"""With fewer slides or trainings (and, where there is no closed form, patches) behind a metric there is no interval."""


@dataclass(frozen=True)
class Estimate:
    """A metric and the 95% CI around it.

    Where labels and probabilities do not define the metric, all three are NaN; where the metric is defined
    but its uncertainty is unknown (too few slides or patches, or none that differ), `low` and `high` are NaN.

    Attributes:
        value: the metric itself.
        low: lower end of the 95% CI.
        high: upper end of the 95% CI.
    """

    value: float
    low: float
    high: float

    @property
    def is_defined(self) -> bool:
        """Whether there is a value at all."""
        return not math.isnan(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def __str__(self) -> str:
        if not self.is_defined:
            return "undefined"
        return f"{self.value:.3f} ({self.interval()})"

    def interval(self, spec: str = ".3f") -> str:
        """Return the interval only, such as "0.912–0.934"; "no interval" where there is none.

        Args:
            spec: how each end is formatted, such as ".1%" for shares or "+.3f" for differences.
        """
        if not self.has_interval:
            return "no interval"
        # A dash beside a sign cannot be read.
        to = " to " if self.low < 0 or spec.startswith("+") else "–"
        return f"{self.low:{spec}}{to}{self.high:{spec}}"

    def to_json(self) -> dict[str, float | None]:
        """Return a dictionary that strict JSON can hold: NaN becomes null."""
        return {name: None if math.isnan(number) else number for name, number in vars(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Estimate:
        """Read what `to_json` wrote.

        Raises:
            EvaluationError: a key is missing or is not a number.
        """
        try:
            numbers = [data[name] for name in ("value", "low", "high")]
            return cls(*(math.nan if number is None else float(number) for number in numbers))
        except (KeyError, TypeError, ValueError) as error:
            raise EvaluationError(
                f"A stored estimate cannot be read: got {data!r}, expected value, low and high."
            ) from error


UNDEFINED = Estimate(math.nan, math.nan, math.nan)


def without_interval(value: float) -> Estimate:
    """Return an estimate whose interval is not known."""
    return Estimate(value, math.nan, math.nan)


def holding(value: float, low: float, high: float) -> Estimate:
    """Return an estimate whose interval is stretched, where it must be, to hold the value itself.

    An interval without a width would say that the value is certain. It comes of too few patches or slides, or of ones
    that do not differ, so that there is none instead.
    """
    low, high = min(value, float(low)), max(value, float(high))
    return Estimate(value, low, high) if low < high else without_interval(value)


def no_narrower(estimate: Estimate, other: Estimate) -> Estimate:
    """Return an estimate whose interval, if it has one, is stretched to hold that of another one of the same metric."""
    if not (estimate.has_interval and other.has_interval):
        return estimate
    return Estimate(estimate.value, min(estimate.low, other.low), max(estimate.high, other.high))
