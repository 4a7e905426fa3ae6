"""Train: the form for a new run, filled from a preset or from an earlier run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.data import DEMO
from core.device import gpu_count
from core.errors import ConfigError, NodescopeError
from core.runs import PRESETS, TrainingConfig, find_run, flaw_sentence, start
from core.runs.described import LONGEST
from core.runs.settings import GROUPS, SETTINGS
from pages._ui import cache, layout, open_data, state, widgets
from pages._ui.browse import people
from pages._ui.train import fields as train_fields
from pages._ui.train import preflight
from pages._ui.train.fields import FIRST


@st.fragment  # a change of a field draws the form again, not the whole page
def show() -> None:
    """Draw the form, and start the run."""
    origin, config = _origin()
    if flaw_sentence(config):
        st.warning(flaw_sentence(config), icon=":material/warning:")
    config = _several(config, origin)
    problems: list[str] = []
    values = _fields(FIRST, st.columns(len(train_fields.shown_in(FIRST))), config, origin, problems)
    with st.expander("Expert settings", icon=":material/tune:"):
        folded = [group for group in GROUPS if group != FIRST]
        for tab, group in zip(st.tabs(folded), folded, strict=True):
            values |= _fields(group, tab.columns(3), config, origin, problems)
    left, right = st.columns([1, 2])
    # Another key after each start: the next run is not called and noted like this one.
    own = f"{origin}-{st.session_state.get(state.STARTED, 0)}"
    name = left.text_input(
        "Name", key=train_fields.key_of("name", own), persist_state="session", max_chars=LONGEST,
        placeholder="Date, time and preset",
    )  # fmt: skip
    note = right.text_input(
        "What is this run for?", key=train_fields.key_of("note", own), persist_state="session",
        placeholder="A note that is kept with the run; both can be changed later",
    )  # fmt: skip
    gpus = gpu_count() if config.device != "cpu" else 1
    together = 1 if gpus < 2 else widgets.count(
        "GPUs", 1, gpus, 1, key=train_fields.key_of("gpus", own), persist_state="session", problems=problems,
        help="Each batch is shared among so many GPUs, a process each.",
    )  # fmt: skip
    try:
        config = config.with_changes(**values)
    except ConfigError as error:  # of settings that do not fit together
        problems.append(str(error))
    if widgets.start_button("Start training", problems):
        _start(config, name, note, together)
    st.caption(
        "The run starts at once if the device is free. Otherwise it waits in the device queue and starts by itself."
    )
    if not problems:
        preflight.show(config, origin)


def duplicate(run_name: str) -> None:
    """Fill the form from a run's settings and show it: a callback."""
    st.session_state[state.DUPLICATED] = run_name
    st.session_state[state.WANTED_NEW] = True
    st.session_state[state.NOTICE] = f"The form now has the settings of {find_run(run_name).title()}."


def _origin() -> tuple[str, TrainingConfig]:
    """Return the origin of the form, which ends the keys of its widgets, and its settings."""
    copied = st.session_state.get(state.DUPLICATED)
    if copied is not None:
        try:
            run = find_run(copied)
            config, title = run.config(), run.title()
        except NodescopeError:
            st.session_state[state.DUPLICATED] = None  # it was deleted since; the presets remain
        else:
            data = widgets.escaped(", ".join(map(open_data.name_of, config.data)))
            st.markdown(f":material/content_copy: Settings of **{widgets.escaped(title)}**, on the same data: {data}")
            st.button("Back to presets", icon=":material/undo:", on_click=st.session_state.update,
                      args=({state.DUPLICATED: None},))  # fmt: skip
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
    data = DEMO if open_data.source() == DEMO else str(Path(open_data.source()).resolve())
    return name, PRESETS[name].config.with_changes(data=(data,), device=layout.device())


def _several(config: TrainingConfig, origin: str) -> TrainingConfig:
    """Draw which further data sets are learnt from, and which one validates; return the settings with them."""
    first, *more = config.data
    known = [each for each in open_data.known() if each != first]
    left, right = st.columns(2)
    chosen = left.multiselect(
        "Also train on", list(dict.fromkeys((*more, *known))), more,
        key=train_fields.key_of(f"also-{first}", origin), persist_state="session", accept_new_options=True,
        format_func=open_data.name_of, placeholder="No other data set",
        help=f"{open_data.name_of(first)} is the first data set. The training patches of others are added to its own. "
        "Choose one that was opened before, or type the path of a folder.",
    )  # fmt: skip
    data = (first, *(each for each in chosen if each != first))
    number = min(config.validation_data, len(data))
    if len(data) > 1:
        setting = SETTINGS["validation_data"]
        number = right.selectbox(
            setting.label, range(1, len(data) + 1), number - 1, key=train_fields.key_of(f"validates-{data}", origin),
            persist_state="session", format_func=lambda each: f"{each}: {open_data.name_of(data[each - 1])}",
            help=setting.help,
        )  # fmt: skip
    # A whole path, because the run's process works in another folder than the app may have been started in.
    whole = tuple(each if each == DEMO else str(Path(each).expanduser().resolve()) for each in data)
    return config.with_changes(data=whole, validation_data=int(number))


def _fields(
    group: str, columns: Sequence[DeltaGenerator], config: TrainingConfig, origin: str, problems: list[str]
) -> dict[str, Any]:
    """Draw the fields of a group, row by row, and return what they hold; what is wrong is said below its field."""
    values = {}
    for number, setting in enumerate(train_fields.shown_in(group)):
        with columns[number % len(columns)]:
            try:
                values[setting.name] = train_fields.taken(setting, train_fields.draw(setting, config, origin))
            except ConfigError as error:
                widgets.wrong(str(error), problems, where="" if group == FIRST else f"Expert settings, {group}: ")
    return values


def _start(config: TrainingConfig, name: str, note: str, processes: int) -> None:
    try:
        for each in config.data:  # the demo is made by the run's process, with progress, where it is not there yet
            if each != DEMO:
                cache.dataset(each)  # raises where the folder is no data set, before a run is made for it
        run = start(config, processes=processes)
        if who := people.name():
            run.write_started_by(who)
        if name.strip():
            run.rename(name)
        if note.strip():
            run.write_notes(note.strip())
    except NodescopeError as error:
        layout.show_error(error)
        return
    st.session_state[state.DUPLICATED] = None
    st.session_state[state.STARTED] = st.session_state.get(state.STARTED, 0) + 1
    st.session_state[state.WANTED_RUN] = run.name
    st.session_state[state.NOTICE] = f"Started {name.strip() or run.name}."
    st.rerun()
