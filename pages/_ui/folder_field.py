"""A field for a path on this computer, with the folders in it to walk through."""

from pathlib import Path

import streamlit as st

from core.data.image_files import folders_in
from core.storage.roots import is_allowed, roots


def walk(key: str, start: Path, *, label: str) -> Path:
    """Draw a field for a path and the folders in it, for a dialog; return what is named now.

    Args:
        key: of the path in the session.
        start: where it begins.
        label: of the field.
    """

    def go(path: Path) -> None:
        st.session_state[key] = str(path)
        st.rerun(scope="fragment")

    place = st.session_state.get(key) or str(start)
    # The key changes with the folder, so that a click on a folder fills the field anew.
    path = Path(st.text_input(label, place, key=f"open-path-{place}")).expanduser()
    with st.container(horizontal=True):
        is_top = path == path.parent or not is_allowed(path.parent)
        if st.button("Up", icon=":material/arrow_upward:", key="open-up", disabled=is_top):
            go(path.parent)
    if len(roots()) > 1 and (elsewhere := st.pills("Folders that may be opened here", map(str, roots()), key="roots")):
        go(Path(elsewhere))
    folders = folders_in(path, most=100)
    if folders:
        chosen = st.pills("Folders in it", folders, key=f"open-in-{path}")
        if chosen:
            go(path / chosen)
    return path
