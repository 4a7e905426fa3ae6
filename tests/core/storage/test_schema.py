"""What JSON may hold: refused with its place, or read; and nothing that Python's own reader takes beyond JSON."""

from typing import Any

import pytest

from core.storage.schema import Anything, Choice, Kind, Listed, Maybe, Named, Number, Table, Text, parse


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NaN", "NaN is no finite number"),
        ("[Infinity]", "Infinity is no finite number"),
        ('{"a": -Infinity}', "-Infinity is no finite number"),
        ("1e999", "1e999 is no finite number"),
        ("9" * 5000, "99999… is too large"),
        ("9223372036854775808", "is too large"),
        ('{"a": 1, "b": 2, "a": 1}', "'a' stands more than once"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("{", "Expecting property name"),
        ("", "Expecting value"),
    ],
)
def test_a_text_that_is_no_plain_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_bytes_that_are_no_utf8_are_refused() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        parse(b'"caf\xe9"')


def test_what_json_has_is_read() -> None:
    text = '{"a": [1, -2.5, 1e-320, true, null, "µ"], "b": 9223372036854775807}'
    assert parse(text) == {"a": [1, -2.5, 1e-320, True, None, "µ"], "b": 2**63 - 1}


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Number(0, 1), 1.5, "x must be 0 to 1, got 1.5"),
        (Number(0, 1), float("nan"), "x must be 0 to 1, got nan"),
        (Number(0, 1), True, "x must be 0 to 1, got True"),
        (Number(0, 1), "0.5", "x must be 0 to 1, got '0.5'"),
        (Number(0, 1), None, "x must be 0 to 1, got None"),
        (Number(0, 9, whole=True), 1.0, "x must be a whole number from 0 to 9, got 1.0"),
        (Text(), 5, "x must be a text of 0 to 1000 characters, got 5"),
        (Text(3), "abcd", "x must be a text of 0 to 3 characters, got 'abcd'"),
        (Text(may_be_empty=False), " ", "x must be a text of 1 to 1000 characters, got ' '"),
        (Choice(("a", "b")), "c", "x must be 'a' or 'b', got 'c'"),
        (Choice((1,)), True, "x must be 1, got True"),
        (Choice((1,)), [], r"x must be 1, got \[\]"),
        (Maybe(Number(0, 1)), 2, "x must be 0 to 1, got 2"),
        (Listed(Number(0, 1)), [0, 2], r"x\[1\] must be 0 to 1, got 2"),
        (Listed(Number(0, 1), fewest=3, most=3), [0], "x must be a list of 3 values, got 1"),
        (Listed(Number(0, 1)), {}, "x must be a list of 0 to 10000 values, got {}"),
        (Named(Number(0, 1)), {"a": 2}, "x.a must be 0 to 1, got 2"),
        (Named(Number(0, 1), most=1), {"a": 0, "b": 0}, "x must be at most 1 values, got 2"),
        (Named(Number(0, 1)), [], r"x must be values with names, got \[\]"),
        (Table({"a": Text()}), {}, "x.a is missing"),
        (Table({}, {"a": Text()}), {"a": 1}, "x.a must be a text"),
        (Table({}), {"b": float("nan")}, "x.b must be"),
        (Anything(), [[[float("inf")]]], r"x\[0\]\[0\]\[0\] must be"),
        (Anything(), {"a": "x" * 10_001}, "x.a must be a text"),
        (Anything(2), [[[]]], "nested more than 20 levels"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_its_place(kind: Kind, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind.read(value, "x")


def test_values_of_the_right_kind_come_back() -> None:
    table = Table({"a": Number(0, 1)}, {"b": Maybe(Listed(Text())), "c": Named(Choice(([0, 1],)))})
    for value in ({"a": 0.5}, {"a": 1, "b": None}, {"a": 0, "b": ["x"], "c": {"y": [0, 1]}, "later": [{"z": None}]}):
        assert table.read(value, "") == value


def test_text_that_moves_a_terminal_is_made_visible() -> None:
    value = {"\x1b[2J": ["a\x1b]0;b\x07", "right\u202eleft", "line\nline", "\ud800", "µ 96×96 ≥"]}
    shown = {"\ufffd[2J": ["a\ufffd]0;b\ufffd", "right\ufffdleft", "line\ufffdline", "\ufffd", "µ 96×96 ≥"]}
    assert Anything().read(value, "") == shown
    with pytest.raises(ValueError, match="got '\\\\x1b") as caught:
        Number(0, 1).read("\x1b[31m", "x")
    assert str(caught.value).isprintable()
