"""Stored JSON: what a damaged file holds is refused with a reason, and never taken for a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from core.storage.record import Record, typed


@dataclass(frozen=True)
class Inner(Record):
    name: str
    size: int | None = None


@dataclass(frozen=True)
class Outer(Record):
    inner: Inner
    many: tuple[Inner, ...] = ()
    named: Mapping[str, float] | None = None


def test_a_record_goes_there_and_back() -> None:
    record = Outer(Inner("a", 3), (Inner("b"),), {"auc": 0.5})
    assert Outer.from_json(record.to_json()) == record
    assert Outer.from_json({"inner": {"name": "a"}, "of a newer version": 1}) == Outer(Inner("a"))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "must be an object of names with values, got \\[\\]"),
        ({}, "missing"),
        ({"inner": None}, "must be an object of names with values, got null"),
        ({"inner": {"name": 5}}, "name must be a text, got 5"),
        ({"inner": {"name": "a", "size": 1.5}}, "size must be a whole number, got 1.5"),
        ({"inner": {"name": "a", "size": True}}, "size must be a whole number, got true"),
        ({"inner": {"name": "a", "size": 10**4000}}, "size must be a whole number"),
        ({"inner": {"name": "a"}, "many": {"name": "b"}}, "many must be a list"),
        ({"inner": {"name": "a"}, "named": {"auc": "high"}}, 'named.auc must be a number, got "high"'),
        ({"inner": {"name": "a"}, "named": {"auc": float("inf")}}, "named.auc must be a number"),
    ],
)
def test_what_is_of_another_type_is_named(value: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        Outer.from_json(value)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [(tuple[str, ...], ["a"], ("a",)), (tuple[int, int], [1, 2], (1, 2)), (Literal["a", "b"], "b", "b"),
     (float, 3, 3), (dict[str, Any], {"x": [1]}, {"x": [1]}), (bool, False, False)],
)  # fmt: skip
def test_plain_values_are_taken_as_their_type(kind: Any, value: Any, expected: Any) -> None:
    assert typed(kind, value, "it") == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [(tuple[int, int], [1]), (Literal["a", "b"], "c"), (Literal["a", "b"], ["a"]), (bool, 1), (str, None), (dict, [])],
)
def test_others_are_refused(kind: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="it must be"):
        typed(kind, value, "it")
