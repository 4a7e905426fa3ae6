"""The button that takes back what this visitor last decided, labelled or tagged; undoing adds to the files."""

from typing import Any

import streamlit as st

from core.data import CLASS_NAMES, Decision
from core.data.decisions import decisions_stamp
from core.data.history import Step, last_step, undo
from core.data.tags import tags_path
from core.errors import DataError, NodescopeError
from pages._ui import cache, layout, state
from pages._ui.browse import people


def describe(decision: Decision) -> str:
    """Return a decision as the page shows it."""
    if decision.kind == "relabel":
        return f"relabelled as {CLASS_NAMES[int(decision.label or 0)]}"
    return {"exclude": "excluded", "fine": "label confirmed", "skip": "skipped"}[decision.kind]


def draw(source: str, *, key: str, shortcut: str | None = None, place: Any = st) -> None:
    """Draw the button that undoes the last step in a data set; nothing where there is none."""
    step = _last(source)
    if step is not None:
        when = step.at[:16].replace("T", " ")
        place.button("Undo", icon=":material/undo:", key=f"undo-{key}", on_click=_undo, args=(source,),
                     shortcut=shortcut, help=f"Undo: {_words(step)} ({when} UTC).")  # fmt: skip


def _undo(source: str) -> None:
    step = _last(source)
    if step is None:
        st.session_state[state.NOTICE] = "Nothing was undone: somebody has decided anew about these patches since."
        return
    try:
        undo(source, step, by=people.name())
    except NodescopeError as error:
        layout.show_error(error)
        return
    st.session_state[state.NOTICE] = f"Undone: {_words(step)}."


def _last(source: str) -> Step | None:
    by = people.name()
    key = (source, by, decisions_stamp(source), cache.file_stamp(tags_path(source)))
    try:
        return cache.recall("undo", key, lambda: last_step(source, by))
    except DataError:  # said where decisions are read
        return None


def _words(step: Step) -> str:
    first, *more = step.made
    what, made = f"{len(more) + 1:,} patches" if more else first, step.made[first]
    if step.tag:
        return f"tag {step.tag} {'on' if made else 'off'} {what}"
    return f"{what} {describe(made) if isinstance(made, Decision) else 'decision taken back'}"
