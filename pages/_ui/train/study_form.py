"""Train: what the forms for new studies share."""

from collections.abc import Callable

import streamlit as st

from core.errors import NodescopeError
from core.runs import TrainingConfig
from core.studies.study import Study, start_study
from pages._ui import layout, state
from pages._ui.train import form

EPOCHS_HELP = "How often every training patch is seen. Fewer epochs take less time."


def training(key: str, *, epochs_of: str = "each run", epochs_help: str = EPOCHS_HELP) -> TrainingConfig:
    """Draw the fields of the training, on the data and the device of the sidebar, and return it.

    Args:
        key: begins the keys of the fields.
        epochs_of: whose epochs the field asks for, such as "each run".
        epochs_help: what an epoch means there.
    """
    name, config = form.preset(key=f"{key}-preset")
    epochs = st.number_input(
        f"Epochs of {epochs_of}", 1, 10_000, config.epochs, key=f"{key}-epochs-{name}", help=epochs_help
    )
    return config.with_changes(epochs=int(epochs))


def extend(study: Study, more: Callable[[], None], size: str) -> None:
    """Add runs to a study and start its process again: a callback.

    Args:
        study: the study.
        more: adds the runs.
        size: what the study has then, such as "4 seeds".
    """

    def go() -> None:
        more()
        start_study(study)

    layout.attempt(go, done=f"{study.name} continues to {size}.")


def start(make: Callable[[], Study]) -> None:
    """Make a study and start its process, then show it."""
    layout.dataset()  # raises where the folder is no data set, before a study is made for it
    try:
        study = make()
        start_study(study)
    except NodescopeError as error:
        layout.show_error(error)
        return
    st.session_state[state.WANTED_STUDY] = study.name
    st.session_state[state.STUDIES_STARTED] = st.session_state.get(state.STUDIES_STARTED, 0) + 1
    st.session_state[state.NOTICE] = f"Started {study.name}."
    st.rerun()
