"""One writer and one reader of JSON for the dataclasses that are stored."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self, get_args, get_origin, get_type_hints


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
            TypeError: a value without a default is missing.
        """
        types = get_type_hints(cls)
        names = [each.name for each in fields(cls) if each.name in value]
        return cls(**{name: _read(types[name], value[name]) for name in names})


def _plain(value: Any) -> Any:
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return value


def _read(kind: Any, value: Any) -> Any:
    arguments = get_args(kind)
    if hasattr(kind, "from_json"):
        return kind.from_json(value)
    if get_origin(kind) is tuple:
        return tuple(_read(arguments[0], each) for each in value)
    # Mapping[str, X]; the test of the value tells it from `str | None`, whose first argument is the same.
    if isinstance(value, Mapping) and len(arguments) == 2 and arguments[0] is str:
        return {name: _read(arguments[1], each) for name, each in value.items()}
    if type(None) in arguments and value is not None:  # X | None
        return _read(arguments[0], value)
    return value
