"""Saved views of Browse: an address under a name, for everybody who uses this home folder."""

from pathlib import Path

import streamlit as st
from filelock import FileLock

from core.errors import DataError
from core.storage import atomic
from core.storage.home import home, make_folder
from core.storage.record import typed
from core.storage.schema import parse
from pages._ui import layout, query_params, state, widgets

View = dict[str, tuple[str, ...]]
"""The values of each key in the address."""

NAME = "view_name"

FOLLOWED = "saved_view"
"""The key in the address of a view that was followed from the menu."""


def draw() -> None:
    """Draw the menu of saved views, and the field that saves this one."""
    if query_params.read(FOLLOWED):
        # Streamlit does not show the address of a link to the page that one is on; it does when a value in it changes.
        query_params.write(FOLLOWED, [])
        # The session's own number is set where the field is drawn, and would win over that of the address.
        st.session_state[state.PAGE] = query_params.whole("".join(query_params.read(state.PAGE))) or 1
    with st.popover("Views", icon=":material/bookmark:", help="Filters, order and page under a name."):
        try:
            saved = views()
        except DataError as error:
            layout.show_error(error)
            return
        for name, view in saved.items():
            with st.container(horizontal=True, vertical_alignment="center"):
                # By its address, as a link from elsewhere: what the page holds now gives way to what the view says.
                st.page_link("pages/browse.py", label=widgets.escaped(name), width="stretch",
                             query_params={**view, FOLLOWED: name})  # fmt: skip
                st.button("Delete", icon=":material/delete:", key=f"view-{name}", help=f"Delete the view {name}.",
                          type="tertiary", on_click=layout.attempt, args=(change, name, None))  # fmt: skip
        with st.form("view", border=False):  # which Enter sends
            st.text_input("Name of this view", key=NAME, max_chars=60)
            st.form_submit_button("Save this view", icon=":material/bookmark_add:", on_click=_save)


def _save() -> None:
    name = str(st.session_state[NAME]).strip()
    here = {key: tuple(st.query_params.get_all(key)) for key in st.query_params}
    layout.attempt(change, name, here, done=f"Saved the view {name}.") if name else st.toast("Give the view a name.")


def path() -> Path:
    """Return the file that holds the views."""
    return home() / "views.json"


def views() -> dict[str, View]:
    """Return the saved views by name.

    Raises:
        DataError: the file is damaged.
    """
    try:
        found: dict[str, View] = typed(dict[str, View], parse(path().read_text("utf-8")), "views")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"The saved views in {path()} cannot be read: {error}. Delete the file to start anew."
        ) from error
    return found


def change(name: str, view: View | None) -> None:
    """Save a view under a name, or delete the one of that name if `view` is None.

    Raises:
        DataError: the file is damaged.
        StorageError: it cannot be written.
    """
    make_folder(path().parent)
    with FileLock(path().with_suffix(".lock")):
        kept = {each: value for each, value in views().items() if each != name}
        atomic.write_json(path(), kept if view is None else {**kept, name: view})
