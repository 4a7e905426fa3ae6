"""What was done last is found in the journals, and undone by adding to them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.data import Decision, decide, decisions_of
from core.data.decisions import decisions_path
from core.data.history import last_step, undo
from core.data.tags import change_tag, tags_of

OUT, TUMOUR, NORMAL = Decision("exclude", reason="blurred"), Decision("relabel", 1), Decision("relabel", 0)


@pytest.fixture
def source(kaggle_folder: Callable[..., Path], fresh_home: Path) -> str:
    return str(kaggle_folder({"a": 0, "b": 1}, test=("u", "v")))


def undo_last(source: str, by: str = "") -> None:
    step = last_step(source, by)
    assert step is not None
    undo(source, step, by=by)


def test_steps_are_undone_one_after_the_other_down_to_the_first(source: str) -> None:
    assert last_step(source, "") is None
    decide(source, {"a": OUT, "b": OUT})
    decide(source, {"b": NORMAL})
    change_tag(source, ["a", "u"], "fat", on=True)
    decide(source, {"b": None, "u": TUMOUR})
    found = [(decisions_of(source), tags_of(source))]
    for _ in range(4):
        undo_last(source)
        found.append((decisions_of(source), tags_of(source)))
    fat = {"fat": ("a", "u")}
    assert found == [
        ({"a": OUT, "u": TUMOUR}, fat), ({"a": OUT, "b": NORMAL}, fat), ({"a": OUT, "b": NORMAL}, {}),
        ({"a": OUT, "b": OUT}, {}), ({}, {}),
    ]  # fmt: skip
    assert last_step(source, "") is None


def test_what_is_done_after_an_undo_is_undone_first(source: str) -> None:
    decide(source, {"a": OUT})
    decide(source, {"b": OUT})
    undo_last(source)
    decide(source, {"u": TUMOUR})
    undo_last(source)
    assert decisions_of(source) == {"a": OUT}
    undo_last(source)
    assert decisions_of(source) == {}


def test_a_revert_by_hand_leaves_nothing_to_undo(source: str) -> None:
    decide(source, {"a": OUT})
    decide(source, {"a": None})
    change_tag(source, ["a"], "fat", on=True)
    change_tag(source, ["a"], "fat", on=False)
    assert last_step(source, "") is None


def test_each_person_undoes_what_is_theirs_and_what_others_decided_since_stays(source: str) -> None:
    decide(source, {"a": OUT, "b": OUT}, by="Anna")
    decide(source, {"b": NORMAL}, by="Ben")
    step = last_step(source, "Anna")
    assert step is not None
    assert dict(step.made) == {"a": OUT}
    undo(source, step, by="Anna")
    assert decisions_of(source) == {"b": NORMAL}
    assert last_step(source, "Anna") is None
    undo_last(source, "Ben")
    assert decisions_of(source) == {"b": OUT}


def test_lines_without_a_time_are_no_steps(source: str) -> None:
    path = decisions_path(source)
    path.parent.mkdir(parents=True)
    path.write_text("id,decision,label,reason\na,exclude,,blurred\n")
    assert last_step(source, "") is None
    decide(source, {"a": NORMAL})
    undo_last(source)
    assert decisions_of(source) == {"a": OUT}
