"""Slides: which folder of slides is open, and how densely its slides are predicted."""

from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import DataError, NodescopeError
from core.formatting import printable
from core.prediction import Predictor
from core.slides.folders import Results, slides_in
from core.storage.home import make_folder
from core.storage.roots import is_allowed, require_allowed, roots
from pages._ui import layout, state, widgets
from pages._ui.folder_field import walk

STEPS = {32: "Each patch", 96: "Every third (fast)", 8: "Fine (8 px)"}
"""Steps between patches in model pixels, and their names."""


def choose(place: DeltaGenerator) -> Path | None:
    """Draw the field for the folder; return it once it is there and somebody here has opened it."""
    known: list[str] = st.session_state.setdefault(state.SLIDE_FOLDERS, [])
    wanted = st.session_state.pop(state.SLIDE_WANTED, None)
    if wanted is not None:  # before the field is drawn, after which its key cannot be set
        st.session_state[state.SLIDES] = wanted
    row = place.container(horizontal=True, vertical_alignment="bottom")
    given = str(
        row.text_input(
            "Folder of slides", key=state.SLIDES, bind="query-params", placeholder="/path/to/slides",
            on_change=lambda: _agree(str(st.session_state[state.SLIDES]).strip()),
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
        widgets.ask_to_open(given, _agree)
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


def step(predictor: Predictor, place: DeltaGenerator) -> int:
    """Draw the choice of the step; return it."""
    fine = predictor.bundle.card.model == "nodescope-net"
    offered = {str(each): label for each, label in STEPS.items() if each != 8 or fine}
    return int(
        widgets.choice(
            "Patches", offered, key=state.SLIDE_STEP, place=place,
            help="The labelled centres of neighbouring patches lie side by side, 31 µm each. Every third patch in both "
            "directions is nine times as fast and finds large areas. *Fine* needs the symmetric model.",
        )
    )  # fmt: skip
