"""Slides: which folder of slides is open."""

from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import DataError, NodescopeError
from core.formatting import printable
from core.slides.folders import Results, slides_in
from core.storage.home import make_folder
from core.storage.roots import is_allowed, require_allowed, roots
from pages._ui import layout, state, widgets
from pages._ui.folder_field import walk


def choose(place: DeltaGenerator) -> Path | None:
    """Draw the field for the folder; return it once it is there and somebody here has opened it.

    A link may name any folder of this computer, so that its own is asked about first.
    """
    known: list[str] = st.session_state.setdefault(state.SLIDE_FOLDERS, [])
    wanted = st.session_state.pop(state.SLIDE_WANTED, None)
    if wanted is not None:  # before the field is drawn, after which its key cannot be set
        st.session_state[state.SLIDES] = wanted
    row = place.container(horizontal=True, vertical_alignment="bottom")
    given = str(
        row.text_input(
            "Folder of slides", key=state.SLIDES, bind="query-params", placeholder="/path/to/slides",
            on_change=_agree_to_what_was_typed,
            help="SVS, NDPI, MRXS, SCN, BIF, DICOM, generic and OME-TIFF, and plain pictures. Nothing is changed "
            "there: results are kept in Nodescope's home folder.",
        )
    ).strip()  # fmt: skip
    if row.button("Look for it", icon=":material/folder_open:", help="Look for the folder on this computer"):
        _dialog(given)
    if not given:
        st.info(
            "Choose a folder with whole slides. Each gets a row; the chosen model then finds tissue and tumour on them "
            "in the background, and a click opens a slide.",
            icon=":material/folder_open:",
        )
        return None
    require_allowed(given)
    folder = Path(given).expanduser()
    if given not in known and not Results.place(folder.resolve()).is_dir():
        st.info("The address names a folder that you have not opened here before. Open it if you trust the link.")
        st.code(given, language=None)
        st.button("Open folder", icon=":material/folder_open:", type="primary", on_click=_agree, args=(given,))
        return None
    if not folder.is_dir():
        raise DataError(f"There is no folder {printable(str(folder))}. Check the path.")
    return folder.resolve()


@st.dialog("Open a folder of slides", width="large")
def _dialog(given: str) -> None:
    start = Path(given).expanduser()
    is_start = bool(given) and is_allowed(start) and start.is_dir()
    path = walk(
        state.SLIDE_WALK, start if is_start else next(iter(roots()), Path.home()), label="Folder on this computer"
    )
    try:
        count = len(slides_in(path))
    except NodescopeError as error:
        st.caption(str(error))
        return
    st.caption(widgets.counted(count, "slide", "slides") if count else "No slide in this folder.")
    if st.button("Open", type="primary", icon=":material/folder_open:", disabled=not count, key="open-slides"):
        st.session_state[state.SLIDE_WANTED] = str(path)
        _agree(str(path))
        st.rerun()


def _agree(given: str) -> None:
    st.session_state[state.SLIDE_FOLDERS].append(given)
    folder = Path(given).expanduser()
    if is_allowed(folder) and folder.is_dir():  # what is kept of it says later that somebody here has opened it
        layout.attempt(lambda: make_folder(Results.place(folder.resolve())))


def _agree_to_what_was_typed() -> None:
    _agree(str(st.session_state[state.SLIDES]).strip())
