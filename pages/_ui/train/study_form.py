"""Train: what the forms for new studies share."""

from collections.abc import Callable

import streamlit as st

from core.cluster import room
from core.errors import ConfigError, NodescopeError
from core.runs import TrainingConfig
from core.studies.study import Study, start_study
from pages._ui import layout, state, widgets
from pages._ui.train import form

EPOCHS_HELP = "How often every training patch is seen. Fewer epochs take less time."


def training(
    key: str, problems: list[str], *, epochs_of: str = "each run", epochs_help: str = EPOCHS_HELP
) -> TrainingConfig:
    """Draw the fields of the training, on the data and the device of the sidebar, and return it.

    Args:
        key: begins the keys of the fields.
        problems: of the form, see :func:`pages._ui.widgets.count`.
        epochs_of: whose epochs the field asks for, such as "each run".
        epochs_help: what an epoch means there.
    """
    name, config = form.preset(key=f"{key}-preset")
    # The preset is in the key, so that another one brings its own number of epochs.
    epochs = widgets.count(
        f"Epochs of {epochs_of}", 1, 10_000, config.epochs, key=f"{key}-epochs-{name}", help=epochs_help,
        problems=problems,
    )  # fmt: skip
    return config.with_changes(epochs=epochs)


def more(
    study: Study, what: str, have: int, most: int, problems: list[str], *, suggested: int, verb: str, help: str,
    extend: Callable[[Study, int], object], sizes: int = 0,
) -> None:  # fmt: skip
    """Draw how to add trials or seeds to a study and start its process again; nothing where it has the most.

    Args:
        study: the study.
        what: "trials" or "seeds".
        have: how many it has.
        most: how many it may have.
        problems: of the page.
        suggested: how many more the field offers at first.
        verb: begins the label of the button.
        help: what becomes of the results so far.
        extend: gives the study this many.
        sizes: how many runs one more is, where it is several.
    """
    if have >= most:
        return
    with st.popover(f"More {what}", icon=":material/add:"):
        own = [*problems]
        count = widgets.count(
            f"More {what}", 1, most - have, min(suggested, most - have), key=f"more-{study.name}", problems=own,
            help=f"In addition to the {have} it has. {help}",
        )  # fmt: skip
        if sizes:
            st.caption(f"{sizes} sizes, {count * sizes} more runs.")

        def go() -> None:
            extend(study, have + count)
            resume(study)

        st.button(
            f"{verb} {count} more", type="primary", icon=":material/play_arrow:", on_click=layout.attempt, args=(go,),
            kwargs={"done": f"{study.name} continues to {have + count} {what}."}, disabled=bool(own),
        )  # fmt: skip


def at_once() -> int:
    """Return how many runs are trained at the same time, as the page's field says. Raises :class:`ConfigError`."""
    given, most = int(st.session_state.get(state.RUNS_AT_ONCE, 1)), room(layout.device())
    if not 1 <= given <= most:  # typed just before a click on a button that was drawn before that
        raise ConfigError(f"Runs at the same time must be 1 to {most}, got {given}.")
    return given


def resume(study: Study) -> None:
    """Start the process of a study. Raises :class:`RunError` if there is one, :class:`ConfigError` as above."""
    start_study(study, workers=at_once())


def start(make: Callable[[], Study]) -> None:
    """Make a study and start its process, then show it."""
    layout.dataset()  # raises where the folder is no data set, before a study is made for it
    try:
        study = make()
        resume(study)
    except NodescopeError as error:
        layout.show_error(error)
        return
    st.session_state[state.WANTED_STUDY] = study.name
    st.session_state[state.STARTED] = st.session_state.get(state.STARTED, 0) + 1
    st.session_state[state.NOTICE] = f"Started {study.name}."
    st.rerun()
