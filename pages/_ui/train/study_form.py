"""Train: what the forms for new studies share."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core.data import DEMO
from core.errors import NodescopeError
from core.runs import PRESETS, TrainingConfig
from core.studies.study import Study, start_study
from pages._ui import layout, state
from pages._ui.train import fields

EPOCHS_HELP = "How often every training patch is seen. Fewer take less time."


def training(key: str, *, epochs_of: str = "each run", epochs_help: str = EPOCHS_HELP) -> TrainingConfig:
    """Draw the fields that say what is trained, on the data and the device of the sidebar.

    Args:
        key: begins the keys of the fields.
        epochs_of: whose epochs they ask for, in words.
        epochs_help: what an epoch is there.
    """
    name = st.selectbox(
        "Preset", list(PRESETS), format_func=lambda each: PRESETS[each].label, key=f"{key}-preset",
        persist_state="session", help=fields.PRESET_HELP,
    )  # fmt: skip
    preset = PRESETS[name].config
    epochs = st.number_input(
        f"Epochs of {epochs_of}", 1, 10_000, preset.epochs, key=f"{key}-epochs-{name}",
        help=epochs_help,
    )  # fmt: skip
    data = DEMO if layout.data_source() == DEMO else str(Path(layout.data_source()).resolve())
    return preset.with_changes(data=(data,), device=layout.device(), epochs=int(epochs))


def go_on(study: Study, extend: Callable[[], None], words: str) -> None:
    """Ask more of a study and start its process again: a callback.

    Args:
        study: what goes on.
        extend: asks more of it.
        words: to what it goes on.
    """
    try:
        extend()
        start_study(study)
    except NodescopeError as error:
        st.session_state[state.NOTICE] = str(error)
    else:
        st.session_state[state.NOTICE] = f"{study.name} goes on to {words}"


def start(make: Callable[[], Study]) -> None:
    """Make a study and start its process, then show it."""
    layout.dataset()  # says what is wrong with the folder before a study is made for it
    try:
        study = make()
        start_study(study)
    except NodescopeError as error:
        layout.show_error(error)
        return
    st.session_state[state.WANTED_STUDY] = study.name
    st.session_state[state.STUDIES_STARTED] = st.session_state.get(state.STUDIES_STARTED, 0) + 1
    st.session_state[state.NOTICE] = f"Started {study.name}"
    st.rerun()
