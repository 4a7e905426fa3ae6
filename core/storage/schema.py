"""What the JSON of a file may hold, declared once for each value, and checked before anything is made of it.

A file from elsewhere may be damaged, or made to do harm. Each kind of value has a ``read``, which returns the value or
raises a ``ValueError`` that names its place, what is allowed there and what was found::

    >>> Table({"threshold": Number(0, 1)}).read(parse('{"threshold": 5}'), "")
    ValueError: threshold must be 0 to 1, got 5
"""

import json
import math
import re
import reprlib
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from core.formatting import printable

LARGEST = 2**63 - 1
"""Largest whole number: what 64 bits with a sign hold."""

DEEPEST = 20
"""How many levels values may be nested where nothing more is known of them."""


def parse(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is no JSON; or it has a name twice in a table, NaN, infinity, a number that is too large, or too
            many levels, all of which Python's own reader takes.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_named_once,
            parse_constant=_finite,
            parse_float=_finite,
            parse_int=_limited,
        )
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


class Kind(Protocol):
    """A kind of value."""

    def read(self, value: Any, place: str) -> Any:
        """Return `value`, which stands at `place`. Raises ``ValueError`` unless it is of this kind."""


@dataclass(frozen=True)
class Number:
    """A number.

    Attributes:
        low: least value.
        high: greatest value.
        whole: whether it has no decimals.
    """

    low: float
    high: float
    whole: bool = False

    def read(self, value: Any, place: str) -> Any:
        """Return the number."""
        # To Python True is a whole number. Put this way round, the comparison refuses NaN as well.
        is_number = isinstance(value, int if self.whole else (int, float)) and not isinstance(value, bool)
        if not is_number or not self.low <= value <= self.high:
            noun = "a whole number from " if self.whole else ""
            raise ValueError(f"{place} must be {noun}{self.low:g} to {self.high:g}, got {_shown(value)}")
        return value


@dataclass(frozen=True)
class Text:
    """A text; what moves a terminal's cursor, changes its colours or turns the direction becomes U+FFFD.

    Attributes:
        longest: most characters.
        may_be_empty: whether it may have none.
        pattern: regular expression that all of it matches; "" takes any.
    """

    longest: int = 1_000
    may_be_empty: bool = True
    pattern: str = ""

    def read(self, value: Any, place: str) -> str:
        """Return the text."""
        if not isinstance(value, str) or len(value) > self.longest or not (value.strip() or self.may_be_empty):
            least = 0 if self.may_be_empty else 1
            raise ValueError(f"{place} must be a text of {least} to {self.longest} characters, got {_shown(value)}")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise ValueError(f"{place} must match {self.pattern}, got {_shown(value)}")
        return printable(value)


@dataclass(frozen=True)
class Choice:
    """One of a few values.

    Attributes:
        values: what is allowed.
    """

    values: tuple[Any, ...]

    def read(self, value: Any, place: str) -> Any:
        """Return the value."""
        # The types too, because to Python 1 equals True.
        if not any(type(value) is type(each) and value == each for each in self.values):
            raise ValueError(f"{place} must be {' or '.join(map(repr, self.values))}, got {_shown(value)}")
        return value


@dataclass(frozen=True)
class Maybe:
    """A value, or none.

    Attributes:
        of: kind of the value.
    """

    of: Kind

    def read(self, value: Any, place: str) -> Any:
        """Return the value or None."""
        return None if value is None else self.of.read(value, place)


@dataclass(frozen=True)
class Listed:
    """A list.

    Attributes:
        of: kind of its items.
        fewest: least number of them.
        most: greatest number of them.
    """

    of: Kind
    fewest: int = 0
    most: int = 10_000

    def read(self, value: Any, place: str) -> list[Any]:
        """Return the list."""
        if not isinstance(value, list) or not self.fewest <= len(value) <= self.most:
            found = f"{len(value)}" if isinstance(value, list) else _shown(value)
            allowed = f"{self.fewest}" if self.fewest == self.most else f"{self.fewest} to {self.most}"
            raise ValueError(f"{place} must be a list of {allowed} values, got {found}")
        return [self.of.read(each, f"{place}[{number}]") for number, each in enumerate(value)]


@dataclass(frozen=True)
class Named:
    """Values of one kind under any names.

    Attributes:
        of: kind of the values.
        most: greatest number of them.
    """

    of: Kind
    most: int = 1_000

    def read(self, value: Any, place: str) -> dict[str, Any]:
        """Return the values by name."""
        _require_table(value, place)
        if len(value) > self.most:
            raise ValueError(f"{place} must be at most {self.most} values, got {len(value)}")
        return {_name(name, place): self.of.read(each, _within(place, name)) for name, each in value.items()}


@dataclass(frozen=True)
class Anything:
    """Plain values of which nothing more is known; levels, texts and numbers have limits all the same.

    Attributes:
        levels: how deep lists and tables may be nested.
    """

    levels: int = DEEPEST

    def read(self, value: Any, place: str) -> Any:
        """Return the values."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return Text(10_000).read(value, place)
        if isinstance(value, int | float):
            return Number(-sys.float_info.max, sys.float_info.max).read(value, place)
        if not self.levels:
            raise ValueError(f"{place} is nested more than {DEEPEST} levels deep")
        inner = Anything(self.levels - 1)
        return (Listed(inner, most=100_000) if isinstance(value, list) else Named(inner)).read(value, place)


@dataclass(frozen=True)
class Table:
    """Values of which each has a name and a kind of its own; names that it does not know hold anything.

    Attributes:
        required: name -> kind of the values that must be there.
        optional: name -> kind of those that may be missing.
    """

    required: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)

    def read(self, value: Any, place: str) -> dict[str, Any]:
        """Return the values by name."""
        _require_table(value, place)
        missing = next((name for name in self.required if name not in value), None)
        if missing is not None:
            raise ValueError(f"{_within(place, missing)} is missing")
        kinds = {**self.required, **self.optional}
        return {
            _name(name, place): kinds.get(name, _ANYTHING).read(each, _within(place, name))
            for name, each in value.items()
        }


_ANYTHING = Anything()


def _require_table(value: Any, place: str) -> None:
    if not isinstance(value, Mapping):
        raise ValueError(f"{place or 'it'} must be values with names, got {_shown(value)}")


def _name(name: Any, place: str) -> str:
    return Text().read(name, f"a name in {place}" if place else "a name")


def _within(place: str, name: str) -> str:
    return f"{place}.{printable(name)[:100]}" if place else printable(name)[:100]


def _shown(value: Any) -> str:
    """Return a value for an error: short, and also of values that are nested deeply."""
    return printable(reprlib.repr(value))


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{_shown(name)} stands more than once in one table")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no finite number")
    return number


def _limited(text: str) -> int:
    # Before it is read, which takes the longer the more digits there are.
    if len(text) > 20 or abs(int(text)) > LARGEST:
        raise ValueError(f"the number {text[:20]}… is too large")
    return int(text)
