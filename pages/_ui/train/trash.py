"""Train: the trash: what was deleted, the way back, and the end of it."""

from datetime import datetime

import streamlit as st

from core.errors import NodescopeError
from core.studies import Trashed, empty_trash, list_trash, restore
from pages._ui import state


def show() -> None:
    """Draw what is in the trash; nothing if it is empty."""
    found = list_trash()
    if not found:
        return
    size = sum(each.size for each in found) / 1e6
    what = contents(found)
    with st.expander(f"Trash: {what}, {size:,.0f} MB", icon=":material/delete:"):
        for each in found:
            _draw(each)
        if st.session_state.get(state.EMPTYING):
            st.warning(f"This deletes {what} for good, with all models. There is no way back.")
            with st.container(horizontal=True):
                st.button("Delete for good", type="primary", icon=":material/delete_forever:", on_click=_empty)
                st.button("Keep them", on_click=_ask, args=(False,))
        else:
            st.button("Empty the trash …", icon=":material/delete_forever:", on_click=_ask, args=(True,))


def contents(found: list[Trashed]) -> str:
    """Return what is in the trash, such as "1 deleted study with 2 runs and 3 deleted runs"."""
    studies = [each.runs for each in found if each.is_study]
    single_runs = len(found) - len(studies)
    words = []
    if studies:
        words.append(f"{_count(len(studies), 'deleted study', 'deleted studies')} with {_count(sum(studies), 'run')}")
    if single_runs:
        words.append(_count(single_runs, "deleted run"))
    return " and ".join(words)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _draw(each: Trashed) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Put back", icon=":material/undo:", key=f"restore-{each.name}", on_click=_restore, args=(each.name,))
        st.markdown(f"{each.name} · {each.words} · deleted {datetime.fromtimestamp(each.deleted):%Y-%m-%d %H:%M}")


def _ask(wanted: bool) -> None:
    st.session_state[state.EMPTYING] = wanted


def _restore(name: str) -> None:
    try:
        back = restore(name)
    except NodescopeError as error:
        st.session_state[state.NOTICE] = str(error)
    else:
        st.session_state[state.NOTICE] = f"{name} is back" + ("" if back.name == name else f" as {back.name}")


def _empty() -> None:
    _ask(False)
    try:
        count = empty_trash()
    except NodescopeError as error:
        st.session_state[state.NOTICE] = str(error)
    else:
        st.session_state[state.NOTICE] = f"{count} run{' is' if count == 1 else 's are'} deleted for good"
