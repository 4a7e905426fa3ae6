"""The error tree is as its docstring draws it."""

import inspect
import re

import pytest

from core import errors

CLASSES = {
    name: cls
    for name, cls in vars(errors).items()
    if inspect.isclass(cls) and issubclass(cls, Exception) and cls.__module__ == errors.__name__
}


def _drawn() -> dict[str, str]:
    """Return name -> parent from the tree in the docstring."""
    above: list[str] = []
    parents: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^ {4}((?:[│ ] {3})*)(?:[├└]── )?(\w+Error)\b", line)
        if match:
            depth = len(match[1]) // 4 + (1 if "──" in line else 0)
            above[depth:] = [match[2]]
            if depth:
                parents[match[2]] = above[depth - 1]
    return parents


def test_the_drawing_is_the_tree() -> None:
    drawn = _drawn()

    assert drawn == {name: cls.__bases__[0].__name__ for name, cls in CLASSES.items() if name != "NodescopeError"}
    assert drawn["PatchError"] == "DataError"
    assert drawn["TrainingError"] == "RunError"


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_is_caught_by_the_base_class_and_keeps_its_sentence(name: str) -> None:
    with pytest.raises(errors.NodescopeError, match=r"^A sentence\.$"):
        raise CLASSES[name]("A sentence.")
