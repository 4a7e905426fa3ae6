"""What this visitor decided, labelled and tagged, so that the last of it can be undone; undoing adds to the files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.errors import NodescopeError
from pages._ui import layout, state

MOST = 200
"""Steps that are remembered."""


@dataclass(frozen=True)
class Step:
    """Something that was done.

    Attributes:
        source: the data set it was done in.
        words: what was done.
        back: undoes it.
    """

    source: str
    words: str
    back: Callable[[], Any]


def remember(source: str, words: str, back: Callable[[], Any]) -> None:
    """Take note of what was done, and of how to undo it."""
    steps = _steps()
    steps.append(Step(source, words, back))
    del steps[:-MOST]


def draw(source: str, *, key: str, shortcut: str | None = None, place: Any = st) -> None:
    """Draw the button that undoes the last step in a data set; nothing where there is none."""
    step = _last(source)
    if step is not None:
        place.button("Undo", icon=":material/undo:", key=f"undo-{key}", on_click=_undo, args=(source,),
                     shortcut=shortcut, help=f"Undo: {step.words}.")  # fmt: skip


def _undo(source: str) -> None:
    step = _last(source)
    if step is None:
        return
    try:
        step.back()
    except NodescopeError as error:
        layout.show_error(error)
        return
    _steps().remove(step)
    st.session_state[state.NOTICE] = f"Undone: {step.words}."


def _last(source: str) -> Step | None:
    return next((step for step in reversed(_steps()) if step.source == source), None)


def _steps() -> list[Step]:
    steps: list[Step] = st.session_state.setdefault(state.UNDO, [])
    return steps
