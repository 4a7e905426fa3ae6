"""Train: the form for a new run, filled from a preset or from an earlier run."""

from pathlib import Path
from typing import Any

import streamlit as st

from core.data import DEMO
from core.errors import ConfigError, NodescopeError
from core.runs import PRESETS, TrainingConfig, find_run, flaw_sentence, start
from pages._ui import layout, state
from pages._ui.train import fields as train_fields
from pages._ui.train import preflight


@st.fragment
def show() -> None:
    """Draw the form, and start the run."""
    origin, config = _origin()
    if flaw_sentence(config):
        st.warning(flaw_sentence(config), icon=":material/warning:")
    values = _first(config, origin)
    with st.expander("Expert settings", icon=":material/tune:"):
        values |= _expert(config, origin)
    note = st.text_input(
        "What is this run for?", key=train_fields.key_of("note", origin), persist_state="session",
        placeholder="A note that is kept with the run and can be changed later",
    )  # fmt: skip
    try:
        wanted = train_fields.changed(config, values)
    except ConfigError as error:
        layout.show_error(error)
        return
    if st.button("Start training", type="primary", icon=":material/play_arrow:"):
        _start(wanted, note)
    st.caption(
        "The run starts at once if the device is free. Otherwise it waits in the device queue and starts by itself."
    )
    preflight.show(wanted, origin)


def duplicate(run_name: str) -> None:
    """Fill the form from a run's settings and show it: a callback."""
    st.session_state[state.DUPLICATED] = run_name
    st.session_state[state.WANTED_NEW] = True
    st.session_state[state.NOTICE] = f"The form now has the settings of {run_name}."


def _origin() -> tuple[str, TrainingConfig]:
    """Return the origin of the form, which ends the keys of its widgets, and its settings."""
    copied = st.session_state.get(state.DUPLICATED)
    if copied is not None:
        try:
            config = find_run(copied).config()
        except NodescopeError:
            st.session_state[state.DUPLICATED] = None  # it was deleted since; the presets remain
        else:
            st.markdown(f":material/content_copy: Settings of **{copied}**, on the same data: {', '.join(config.data)}")
            st.button("Back to presets", icon=":material/undo:", on_click=_forget_duplicate)
            return f"copy-{copied}", config
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    name, config = preset(key="preset", place=left)
    right.caption(f"{PRESETS[name].help} On the command line: `--preset {name}`.")
    return name, config


def preset(*, key: str, place: Any = st) -> tuple[str, TrainingConfig]:
    """Draw the choice of a preset; return its name, and its settings on the data and the device of the sidebar."""
    name = place.selectbox(
        "Preset", list(PRESETS), format_func=lambda each: PRESETS[each].label, key=key, persist_state="session",
        help=train_fields.PRESET_HELP,
    )  # fmt: skip
    data = DEMO if layout.data_source() == DEMO else str(Path(layout.data_source()).resolve())
    return name, PRESETS[name].config.with_changes(data=(data,), device=layout.device())


def _forget_duplicate() -> None:
    st.session_state[state.DUPLICATED] = None


def _first(config: TrainingConfig, origin: str) -> dict[str, Any]:
    values = {}
    for place, field in zip(st.columns(len(train_fields.FIRST)), train_fields.FIRST, strict=True):
        with place:
            values[field.name] = train_fields.draw(field, config, origin)
    return values


def _expert(config: TrainingConfig, origin: str) -> dict[str, Any]:
    """Draw the expert fields, one tab for each group, and return their values."""
    values = {}
    for tab, fields in zip(st.tabs(list(train_fields.EXPERT)), train_fields.EXPERT.values(), strict=True):
        places = tab.columns(3)
        for number, field in enumerate(fields):
            with places[number % len(places)]:
                values[field.name] = train_fields.draw(field, config, origin)
    return values


def _start(config: TrainingConfig, note: str) -> None:
    try:
        layout.dataset()  # raises where the folder is no data set, before a run is made for it
        run = start(config)
        if note.strip():
            run.write_notes(note.strip())
    except NodescopeError as error:
        layout.show_error(error)
        return
    st.session_state[state.DUPLICATED] = None
    st.session_state[state.WANTED_RUN] = run.name
    st.session_state[state.NOTICE] = f"Started {run.name}."
    st.rerun()
