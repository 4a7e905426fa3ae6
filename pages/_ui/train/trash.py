"""Train: the trash, which holds deleted runs and studies until it is emptied."""

from collections.abc import Callable
from datetime import datetime

import streamlit as st

from core.formatting import file_size
from core.studies.trash import Trashed, empty_trash, list_trash, restore
from pages._ui import layout, state, widgets


def show() -> None:
    """Draw what is in the trash; nothing if it is empty."""
    found = list_trash()
    if not found:
        return
    size = file_size(sum(each.size for each in found))
    what = contents(found)
    with st.expander(f"Trash: {what}, {size}", icon=":material/delete:"):
        for each in found:
            _draw(each)
        if st.session_state.get(state.EMPTYING):
            st.warning(f"This permanently deletes {what}, with all models. It cannot be undone.")
            with st.container(horizontal=True):
                st.button("Delete permanently", type="primary", icon=":material/delete_forever:", on_click=_empty)
                st.button("Cancel", key="keep-trash", on_click=st.session_state.update,
                          args=({state.EMPTYING: False},))  # fmt: skip
        else:
            st.button("Empty trash …", icon=":material/delete_forever:", on_click=st.session_state.update,
                      args=({state.EMPTYING: True},))  # fmt: skip


def confirm(
    name: str, rest: str, *, place: str, key: str, delete: Callable[[], object], loss: str = "", called: str = ""
) -> None:  # fmt: skip
    """Draw the question whether to move a run or study to the trash, while the session asks it.

    Args:
        name: of the run's or study's folder.
        rest: what goes with it.
        place: where the trash is.
        key: of the session, holds the name for which the question is open.
        delete: moves it.
        loss: the sentence that says what loses it.
        called: what people call it; by default by the name of its folder.
    """
    if st.session_state.get(key) != name:
        return

    called = widgets.escaped(called or name)

    def move() -> None:
        st.session_state[key] = None
        layout.attempt(delete, done=f"{called} is in the trash, at the end of {place}.")

    with st.container(border=True):
        st.markdown(f"Move **{called}** to the trash, with {rest}?")
        if loss:
            st.warning(loss, icon=":material/grid_view:")
        st.caption(f"It can be restored until the trash is emptied. The trash is at the end of {place}.")
        with st.container(horizontal=True):
            st.button("Move to trash", icon=":material/delete:", type="primary", on_click=move, key=f"move-{name}")
            st.button("Cancel", key=f"keep-{name}", on_click=st.session_state.update, args=({key: None},))


def gone(name: str | None) -> None:
    """Draw that the run of a link is not there, so that nobody takes another one's metrics for its own."""
    if name is None:
        return
    in_trash = any(each.name == name and not each.is_study for each in list_trash())
    with st.container(border=True):
        where = "is in the trash" if in_trash else "does not exist, or was deleted for good"
        st.warning(widgets.escaped(f"The run {name} of the address {where}. Another run is shown."))
        with st.container(horizontal=True):
            if in_trash:
                st.button("Restore", icon=":material/undo:", key=f"gone-{name}", on_click=_bring_back, args=(name,))
            st.button("Close", on_click=st.session_state.update, args=({state.GONE: None},))


def _bring_back(name: str) -> None:
    st.session_state[state.GONE] = None
    st.session_state[state.WANTED_RUN] = name
    _restore(name)


def contents(found: list[Trashed]) -> str:
    """Return what is in the trash, such as "1 deleted study with 2 runs and 3 deleted runs"."""
    studies = [each.runs for each in found if each.is_study]
    single = len(found) - len(studies)
    counts = []
    if studies:
        runs = widgets.counted(sum(studies), "run", "runs")
        counts.append(f"{widgets.counted(len(studies), 'deleted study', 'deleted studies')} with {runs}")
    if single:
        counts.append(widgets.counted(single, "deleted run", "deleted runs"))
    return " and ".join(counts)


def _draw(each: Trashed) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Restore", icon=":material/undo:", key=f"restore-{each.name}", on_click=_restore, args=(each.name,))
        st.markdown(f"{each.name} · {each.description} · deleted {datetime.fromtimestamp(each.deleted):%Y-%m-%d %H:%M}")


def _restore(name: str) -> None:
    layout.attempt(
        restore, name, done=lambda run: f"{name} is restored" + ("." if run.name == name else f" as {run.name}.")
    )


def _empty() -> None:
    st.session_state[state.EMPTYING] = False
    layout.attempt(
        empty_trash, done=lambda count: f"{widgets.counted(count, 'run is', 'runs are')} deleted permanently."
    )
