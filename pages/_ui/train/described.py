"""Train: what people write about runs: their names, tags and notes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import streamlit as st

from core.errors import NodescopeError
from core.runs import Run
from core.runs.described import LONGEST
from pages._ui import layout, widgets


def label(run: Run) -> str:
    """Return the name that people gave a run with that of its folder, or that of its folder alone."""
    try:
        title = run.title()
    except NodescopeError:
        return run.name  # its page says what is damaged
    return run.name if title == run.name else f"{title} · {run.name}"


def known_tags(runs: Iterable[Run]) -> list[str]:
    """Return the tags of all runs, in alphabetical order."""
    found: set[str] = set()
    for run in runs:
        try:
            found.update(run.tags())
        except NodescopeError:
            continue  # its page says what is damaged
    return sorted(found)


def edit(run: Run, runs: Sequence[Run]) -> None:
    """Draw the menu in which a run gets its name and tags."""
    with st.popover("Name and tags", icon=":material/edit:"):
        try:
            title, tags = run.title(), run.tags()
        except NodescopeError as error:
            layout.show_error(error)
            return
        name = _field(run, "name", "" if title == run.name else title)
        st.text_input(
            "Name", key=name, max_chars=LONGEST, on_change=_write, args=(run.rename, name), placeholder=run.name,
            help="For people, on this page and in `python -m core runs`. The folder keeps its own name.",
        )  # fmt: skip
        chosen = _field(run, "tags", list(tags))
        st.multiselect(
            "Tags", sorted({*known_tags(runs), *st.session_state[chosen]}), key=chosen, accept_new_options=True,
            on_change=_write, args=(run.write_tags, chosen), placeholder="Choose one, or type a new one",
        )  # fmt: skip


def show_tags(run: Run) -> None:
    """Draw the tags of a run, and who started it."""
    if by := run.started_by():
        st.badge(f"Started by {widgets.escaped(by)}", icon=":material/person:", color="gray")
    for tag in run.tags():
        st.badge(widgets.escaped(tag), icon=":material/label:", color="gray")


def notes(run: Run) -> None:
    """Draw the notes about a run, which all its readers share."""
    key = _field(run, "notes", run.notes())
    st.text_area(
        "Notes", key=key, height=68, on_change=_write, args=(run.write_notes, key),
        placeholder="What is this run for, and what was the result? Kept in its folder.",
    )  # fmt: skip


def tag_all(runs: Sequence[Run], known: Sequence[str]) -> None:
    """Draw the menu that gives several runs a tag, or takes it from them."""
    with st.popover("Tag", icon=":material/label:"):
        tag = st.selectbox(
            "Tag", known, index=None, key="run_tag", accept_new_options=True,
            placeholder="Choose one, or type a new one",
        )  # fmt: skip
        with st.container(horizontal=True):
            for text, on in (("Add tag", True), ("Remove tag", False)):
                st.button(text, disabled=not tag, on_click=layout.attempt, args=(_tag, runs, tag or "", on))


def _tag(runs: Sequence[Run], tag: str, on: bool) -> None:
    for run in runs:
        run.write_tags({*run.tags(), tag} if on else {*run.tags()} - {tag})


def _field(run: Run, what: str, written: Any) -> str:
    """Return the key of a field that holds what is written on the disk."""
    key, on_disk = f"{what}-{run.name}", f"{what}-{run.name}-written"
    # Only where the disk has changed: else it would delete what somebody is typing.
    if key not in st.session_state or st.session_state.get(on_disk) != written:
        st.session_state[key] = written
    st.session_state[on_disk] = written
    return key


def _write(write: Callable[[Any], None], key: str) -> None:
    layout.attempt(write, st.session_state[key])
