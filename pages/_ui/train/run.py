"""Train: one run, followed while it trains: its state, its buttons, its curves, its result."""

import html
from datetime import datetime
from functools import partial

import pandas as pd
import streamlit as st

from core.bundle.seen_slides import slides_in_training
from core.errors import NodescopeError
from core.formatting import duration, file_size
from core.runs import GRACE_SECONDS, Run, Status, flaw_sentence, kill, may_be_killed, stop
from core.runs.launch import launch
from core.runs.moved_data import missing_data, move_data
from core.studies.trash import delete, what_loses
from core.work_folder import STATES
from pages._ui import cache, layout, query_params, state, widgets
from pages._ui.train import curves, described, form, tracked_patches, trash

DUPLICATE, DELETE = "Duplicate with changes", "Delete …"
STYLE = """<style>
.run-numbers { display: flex; flex-wrap: wrap; gap: .3rem 1.8rem; font-variant-numeric: tabular-nums; }
.run-numbers div { display: flex; flex-direction: column; }
.run-numbers small { opacity: .7; font-size: .8rem; }
</style>"""

MENU_ICONS = {DUPLICATE: ":material/content_copy:", DELETE: ":material/delete:"}


def settle(runs: list[Run]) -> None:
    """Write into session and address which of `runs` is shown: the chosen one, that of a link, or the newest."""
    names = [run.name for run in runs]
    # By the folder's name in the address: a widget that is bound to it would write the name that people change.
    wanted = [st.session_state.get(state.RUN), *query_params.read(state.RUN)]
    st.session_state[state.RUN] = next((name for name in wanted if name in names), names[0])
    gone = [name for name in query_params.read(state.RUN) if name not in names]
    if gone:  # deleted since
        st.session_state[state.GONE] = gone[0]
    query_params.write(state.RUN, [st.session_state[state.RUN]])


def show(runs: list[Run]) -> None:
    """Draw the run that is chosen among `runs`."""
    settle(runs)
    names = [run.name for run in runs]
    trash.gone(st.session_state.get(state.GONE))
    labels = {run.name: described.label(run) for run in runs}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Run", names, key=state.RUN, persist_state="session", format_func=labels.__getitem__)
        run = runs[names.index(name)]
        described.edit(run, runs)
    query_params.write(state.RUN, [name])
    status = _status(run)
    # The page reads the disk every second only while a process works on the run.
    st.fragment(_panel, run_every=1.0 if status.is_active else None)(run, status.state)


def _status(run: Run) -> Status:
    try:
        run.config()
        return run.status()
    except NodescopeError as error:
        return Status(state="damaged", message=str(error))


def _panel(run: Run, state_on_page: str) -> None:
    if not run.path.exists():  # it was deleted, here or by somebody else
        st.rerun()
    status = _status(run)
    # Whether the fragment polls was decided when the whole page ran, so another state needs another run of the page.
    if status.state != state_on_page:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        shown = STATES[status.state]
        st.badge(shown.label, icon=shown.icon, color=shown.colour)
        if status.stage and status.is_active:
            st.markdown(status.stage)
        described.show_tags(run)
    # Containers, so that an element that appears does not move those below it.
    with st.container():
        try:
            flaw = flaw_sentence(run.config())
        except NodescopeError:  # which the message says
            _messages(status, "")
            _buttons(run, status, can_resume=False)
            return
        _messages(status, flaw)
        node = run.elsewhere() if status.is_active else ""
        if node:
            st.caption(f":material/dns: Running on **{node}**. Stop reaches it through this folder.")
    with st.container():
        gone = [] if status.is_active or status.state == "finished" else missing_data(run)
        if gone:
            _moved(run, gone)
        _buttons(run, status, can_resume=not gone)
        if status.state == "finished":
            _result(run)
    with st.container():
        try:
            curves.show(run, status)
            tracked_patches.show(run, status.epochs)
        except NodescopeError as error:
            layout.show_error(error)
    with st.container():
        try:
            _details(run, status)
        except NodescopeError as error:
            layout.show_error(error)


def _messages(status: Status, flaw: str) -> None:
    """Draw the messages about the state, and the progress."""
    if flaw:
        st.warning(
            f"{flaw} Use curves and best epoch for comparison only; they do not measure quality.",
            icon=":material/warning:",
        )
    if status.message and status.state in ("failed", "damaged", "stopped"):
        (st.info if status.state == "stopped" else st.error)(status.message)
    if status.message and status.state == "running":
        st.warning(status.message)  # such as that memory ran out and the batch was halved
    if status.state == "lost":
        st.warning(
            "The process of this run is gone; perhaps it was killed, the computer restarted, or the disk was full. "
            "Resume continues from the last checkpoint."
        )
    if status.state == "stopping":
        st.caption(
            f"The run finishes its step, saves and ends. If it has not ended after {GRACE_SECONDS:.0f} seconds, a "
            "button that ends it at once appears here."
        )
    if (status.is_active and status.state != "queued") or status.progress:
        st.progress(min(status.progress, 1.0), text=_progress_text(status))
    if status.steps:
        _numbers(status)


def _progress_text(status: Status) -> str:
    parts = [f"Epoch {status.epoch} of {status.epochs}", f"step {status.step:,} of {status.steps:,}"]
    if status.is_active and status.state != "stopping" and status.seconds_left is not None:
        parts.append(f"about {duration(status.seconds_left)} left")
    return " · ".join(parts) if status.steps else "Preparing"


def _numbers(status: Status) -> None:
    """Draw loss, throughput, time, memory and device of the run."""
    numbers = {"Loss in this epoch": "-" if status.loss is None else f"{status.loss:.4f}"}
    if status.patches_per_second is not None:
        numbers["Throughput"] = f"{status.patches_per_second:,.0f} patches/s"
    numbers["Elapsed"] = duration(status.seconds)
    if status.memory is not None:
        numbers["Memory"] = file_size(status.memory)
    if status.device_memory is not None:
        numbers["Peak GPU memory"] = file_size(status.device_memory)
    numbers["Device"] = status.device
    cells = "".join(
        f"<div><small>{html.escape(name)}</small><b>{html.escape(value)}</b></div>" for name, value in numbers.items()
    )
    st.html(f'<div class="run-numbers">{cells}</div>{STYLE}')


def _buttons(run: Run, status: Status, *, can_resume: bool = True) -> None:
    with st.container(horizontal=True):
        if status.state in ("starting", "queued", "running"):
            st.button(
                "Stop",
                icon=":material/stop:",
                on_click=layout.attempt,
                args=(stop, run),
                help="The run finishes its step, saves and ends.",
            )
        if status.state == "stopping" and may_be_killed(run):
            st.button("End now", icon=":material/dangerous:", on_click=layout.attempt, args=(kill, run),
                      help="The run does not respond. It can be resumed from its last checkpoint.")  # fmt: skip
        if can_resume and status.state in ("stopped", "failed", "lost", "damaged"):
            st.button("Resume", icon=":material/resume:", type="primary", on_click=layout.attempt, args=(launch, run),
                      help="Continues from the last checkpoint.")  # fmt: skip
        if status.state == "finished" and st.button(
            "Use this model",
            icon=":material/check:",
            type="primary",
            help="Evaluate and Predict use the model of this run from now on.",
        ):
            _use(run)
        if status.state == "finished" and st.button("Evaluate it", icon=":material/query_stats:"):
            st.session_state[state.WANTED_MODEL] = run.name
            st.switch_page("pages/evaluate.py")
        if status.state == "damaged":
            st.button("Move to trash …", icon=":material/delete:", on_click=st.session_state.update,
                      args=({state.DELETING: run.name},))  # fmt: skip
        else:
            _more(run, status)
    if st.session_state.get(state.DELETING) == run.name:
        trash.confirm(run.name, "its model and log", place="All runs", key=state.DELETING, delete=partial(delete, run),
                      loss=what_loses(run), called=described.label(run))  # fmt: skip


def _moved(run: Run, gone: list[str]) -> None:
    """Draw how to name the new place of data that is gone."""
    st.warning(
        f"The data of this run is not there any more: {', '.join(gone)}. Say where it is now; it must hold the same "
        "patches with the same labels.",
        icon=":material/folder_off:",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        given = [
            st.text_input(f"{source} is now", source, key=f"moved-{run.name}-{number}")
            for number, source in enumerate(run.config().data)
        ]
        clicked = st.button("Use this data", icon=":material/drive_file_move:", type="primary")
    if clicked:
        try:
            move_data(run, given)
        except NodescopeError as error:
            layout.show_error(error)
            return
        st.session_state[state.NOTICE] = f"{run.name} finds its data again."
        st.rerun()


def _more(run: Run, status: Status) -> None:
    """Draw the menu of less frequent actions."""
    options = [DUPLICATE] if status.is_active else [DUPLICATE, DELETE]
    chosen = st.menu_button(
        "More", options, icon=":material/more_horiz:", key=f"more-{run.name}",
        format_func=lambda option: f"{MENU_ICONS[option]} {option}",
    )  # fmt: skip
    if chosen == DUPLICATE:
        form.duplicate(run.name)
        st.rerun()  # the form is outside of this fragment
    if chosen == DELETE:
        st.session_state[state.DELETING] = run.name


def _use(run: Run) -> None:
    st.session_state[state.WANTED_MODEL] = run.name
    st.session_state[state.NOTICE] = f"Evaluate and Predict now use “{widgets.escaped(run.title())}”."
    st.rerun()  # the sidebar is outside of this fragment


def _result(run: Run) -> None:
    try:
        card = cache.bundle(run.bundle_path).card
    except NodescopeError as error:
        layout.show_error(error)
        return
    for measurement in card.measured:
        if measurement.split != "test":
            continue
        with st.container(border=True):
            st.markdown(
                f"**{widgets.escaped(measurement.data)}**, test patches that the run was not trained on · n = "
                f"{measurement.evaluation.n:,}, with 95% CIs"
            )
            widgets.headline(measurement.evaluation.metrics, ("auc", "accuracy", "sensitivity", "specificity"))
            widgets.seen_slides(slides_in_training(card, measurement))


def _details(run: Run, status: Status) -> None:
    described.notes(run)
    with st.expander("Log"):
        st.code(run.log_tail() or "The log is empty so far.", language=None, wrap_lines=True)
    with st.expander("Settings"):
        config = run.config().to_json()
        flat = {**config, **config.pop("augmentation")}
        rows = [
            (name, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))
            for name, value in flat.items()
        ]
        st.dataframe(pd.DataFrame(rows, columns=["setting", "value"]), hide_index=True)
        st.caption(f"Folder: {run.path}")
        if status.updated:
            st.caption(f"Last update: {datetime.fromtimestamp(status.updated):%Y-%m-%d %H:%M:%S}")
