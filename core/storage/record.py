"""One writer and one reader of JSON for what is stored: whatever a damaged file holds, it is refused with a reason."""

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, Literal, NoReturn, Self, Union, get_args, get_origin, get_type_hints

LARGEST = 1e18
"""Numbers of this size and above are no counts, times or sizes of ours, and cannot be shown."""


@dataclass(frozen=True)
class Record:
    """A dataclass that goes to and from JSON by the types of its fields.

    A field is a plain value, something with ``to_json`` and ``from_json`` of its own, a ``tuple[X, ...]`` or a mapping
    with text as keys of such values, or one of these or None.
    """

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` gave.

        Values that an earlier version did not write have their default; values of a newer version are ignored.

        Raises:
            TypeError: a value without a default is missing, or one is of another type than its field.
        """
        if not isinstance(value, Mapping):
            raise TypeError(f"it must be an object of names with values, got {_shown(value)}")
        needed = [each.name for each in fields(cls) if each.default is MISSING and each.default_factory is MISSING]
        if missing := next((name for name in needed if name not in value), None):
            raise TypeError(f"{missing} is missing")
        kinds = get_type_hints(cls)
        names = [each.name for each in fields(cls) if each.name in value]
        return cls(**{name: typed(kinds[name], value[name], name) for name in names})


def typed(kind: Any, value: Any, name: str) -> Any:
    """Return a value that came from JSON as a type hint asks for it: lists become tuples, objects dataclasses.

    Args:
        kind: the hint: a plain type, a literal, a tuple, a mapping with text as keys, a dataclass, something with
            ``from_json``, or one of several.
        value: what JSON gave.
        name: what errors call it.

    Raises:
        TypeError: it is something else, or a number that is not finite or far too large.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value, name)
    if origin is Literal:
        return value if value in arguments else _wrong(name, f"one of {', '.join(map(str, arguments))}", value)
    if origin is tuple:
        return _tuple(arguments, value, name)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            _wrong(name, "an object", value)
        return {key: typed(arguments[1], each, f"{name}.{key}") for key, each in value.items()}
    if hasattr(kind, "from_json"):
        return kind.from_json(value)
    if is_dataclass(kind):
        if not isinstance(value, Mapping):
            _wrong(name, "an object", value)
        hints = get_type_hints(kind)
        # What the dataclass does not know raises its own TypeError.
        return kind(**{key: typed(hints.get(key, Any), each, f"{name}.{key}") for key, each in value.items()})  # type: ignore[operator]
    return _simple(kind, value, name)


def _one_of(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    real = [each for each in kinds if each is not type(None)]
    for each in real[:-1]:
        try:
            return typed(each, value, name)
        except TypeError:
            continue
    return typed(real[-1], value, name)  # the reason is that of the last


def _tuple(kinds: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        _wrong(name, "a list", value)
    if kinds[-1] is not Ellipsis and len(kinds) != len(value):
        _wrong(name, f"a list of {len(kinds)}", value)
    each_kind = [kinds[0]] * len(value) if kinds[-1] is Ellipsis else kinds
    return tuple(typed(kind, each, name) for kind, each in zip(each_kind, value, strict=True))


def _simple(kind: Any, value: Any, name: str) -> Any:
    expected = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", dict: "an object"}
    # bool is an int for Python, and no number for anybody else. The comparison refuses NaN too, put this way round.
    fits = isinstance(value, bool) == (kind is bool) and isinstance(value, (int, float) if kind is float else kind)
    if not fits or (kind in (int, float) and not abs(value) < LARGEST):
        _wrong(name, expected.get(kind, kind.__name__), value)
    return value


def _wrong(name: str, expected: str, value: Any) -> NoReturn:
    raise TypeError(f"{name} must be {expected}, got {_shown(value)}")


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value)
    except (RecursionError, TypeError, ValueError):  # too deep, or a number of too many digits
        text = type(value).__name__
    return text if len(text) <= 40 else f"{text[:37]}..."


def _plain(value: Any) -> Any:
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return value
