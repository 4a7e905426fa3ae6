"""Train: studies, which are cross-validations, searches and learning curves: start, follow, stop, resume."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from core.errors import NodescopeError
from core.formatting import duration
from core.runs import Status, find_run
from core.studies.progress import StudyProgress, progress_of
from core.studies.study import Study, list_studies
from core.studies.trash import delete_study
from core.work_folder import STATES
from pages._ui import jobs, layout, open_data, state, widgets
from pages._ui.train import cross_validation, learning_curve, search, study_form, trash

POLL_SECONDS = 2.0


@dataclass(frozen=True)
class _Kind:
    label: str
    icon: str
    form: Callable[[list[str]], None]
    result: Callable[[Study], str | None]
    more: Callable[[Study, list[str]], None] = lambda *_: None  # its own buttons, while no process works on it


KINDS = {
    "folds": _Kind("Cross-validation", ":material/grid_view:", cross_validation.form, cross_validation.result),
    "search": _Kind("Search", ":material/travel_explore:", search.form, search.result, search.more),
    "curve": _Kind(
        "Learning curve", ":material/show_chart:", learning_curve.form, learning_curve.result, learning_curve.more
    ),
}


def show() -> None:
    """Draw the forms for new studies and the chosen study."""
    studies = list_studies()
    st.caption(
        "A study is several runs that belong together. It continues when you close this page. After a crash, it can be "
        "resumed where it was."
    )
    problems: list[str] = []
    jobs.at_once(
        "Runs", layout.device(), problems, key=state.RUNS_AT_ONCE,
        help="The trials of a search that run at the same time are also chosen at the same time, so that a search "
        "keeps the number it began with.",
    )  # fmt: skip
    if not studies:
        st.info(
            "No study yet. A **cross-validation** tests every patch by a model that was not trained on it, and shows "
            "how certain the metrics are. A **search** tries settings and records every trial. A **learning curve** "
            "trains on fewer and more patches, and shows whether more labels would help.",
            icon=":material/grid_view:",
        )
    for column, (kind, each) in zip(st.columns(len(KINDS)), KINDS.items(), strict=True):
        with column.expander(
            f"New {each.label.lower()}",
            icon=each.icon,
            expanded=not studies,
            # The key changes when a study was started, so that the form closes.
            key=f"new-{kind}-{st.session_state.get(state.STARTED, 0)}",
        ):
            each.form([*problems])
    if studies:
        _chosen(studies, problems)
    trash.show()


def _chosen(studies: list[Study], problems: list[str]) -> None:
    names = [study.name for study in studies]
    wanted = st.session_state.pop(state.WANTED_STUDY, None)
    if wanted in names or st.session_state.get(state.STUDY) not in names:
        st.session_state[state.STUDY] = wanted if wanted in names else names[0]
    name = st.selectbox("Study", names, key=state.STUDY, bind="query-params")
    study = studies[names.index(name)]
    try:
        progress = progress_of(study)
    except NodescopeError as error:
        _damaged(study, error)
        return
    # The page reads the disk only while a process works on the study.
    poll = POLL_SECONDS if progress.status.is_active else None
    st.fragment(_panel, run_every=poll)(study, progress.status.state, problems)


def _damaged(study: Study, error: NodescopeError) -> None:
    shown = STATES["damaged"]
    st.badge(shown.label, icon=shown.icon, color=shown.colour)
    layout.show_error(error)
    _delete_button(study, "Move to trash …")
    trash.confirm(study.name, "what is left of it; its runs stay", place="this page", key=state.DELETING_STUDY,
                  delete=partial(delete_study, study))  # fmt: skip


def _delete_button(study: Study, label: str = "Delete …") -> None:
    st.button(label, icon=":material/delete:", on_click=st.session_state.update,
              args=({state.DELETING_STUDY: study.name},))  # fmt: skip


def _panel(study: Study, state_on_page: str, problems: list[str]) -> None:
    if not study.path.exists():
        st.rerun()
    progress = progress_of(study)
    status, kind = progress.status, KINDS[study.kind]
    # Whether the fragment polls was decided when the whole page ran.
    if status.state != state_on_page:
        st.rerun()
    shown = STATES[status.state]
    st.badge(f"{shown.label} · {kind.label.lower()}", icon=shown.icon, color=shown.colour)
    if status.state in ("failed", "damaged"):
        st.error(status.message or "The study failed; the log below says why.")
    if status.state == "lost":
        st.warning(
            "The process of this study is gone; perhaps it was killed, the computer restarted, or the disk was full. "
            "Resume continues from there."
        )
    if status.state != "finished":
        st.progress(min(progress.share, 1.0), text=_describe(progress))
    chosen = _buttons(study, progress, problems)
    count = len(study.runs())
    trash.confirm(
        study.name, f"its {count} runs, their models and logs" if count != 1 else "its one run, the model and the log",
        place="this page", key=state.DELETING_STUDY, delete=partial(delete_study, study),
    )  # fmt: skip
    try:
        st.caption(widgets.escaped(f"On {', '.join(map(open_data.name_of, study.config().data))}."))
        chosen = kind.result(study) or chosen
        if chosen is not None:
            find_run(chosen)  # raises if it was deleted
    except NodescopeError as error:
        layout.show_error(error)
        return
    if chosen is not None:
        st.session_state[state.WANTED_RUN] = chosen
        st.rerun()  # the choice of the view is outside of this fragment
    with st.expander("Folder and log"):
        st.caption(str(study.path))
        log = study.path / "log.txt"
        st.code(  # the end, which says what went wrong; a whole log can be megabytes
            log.read_text("utf-8")[-4000:] if log.is_file() else "No log: the study was started on the command line."
        )


def _describe(progress: StudyProgress) -> str:
    parts = [f"{progress.done} of {progress.total} runs"]
    if progress.status.is_active and progress.at_work:
        run, count = progress.at_work[-1], len(progress.at_work)
        status = run.status()
        parts += [f"{count} at the same time"] if count > 1 else []
        at = f"epoch {status.epoch} of {status.epochs}" if status.steps else ""
        stage = "" if status.stage in ("Training", "Validating") else status.stage
        at = ", ".join(each for each in (at, stage) if each) or STATES[status.state].label
        parts.append(f"{run.name}: {at}")
        left = _seconds_left(progress, status)
        parts += [f"about {duration(left)} left"] if left is not None else []
    return " · ".join(parts)


def _seconds_left(progress: StudyProgress, status: Status) -> float | None:
    """Return how long the study may still take, estimated from the status of a run in work."""
    if status.seconds_left is None or not status.progress:
        return None
    # The other runs are taken to be as long as this one.
    whole, count = status.seconds + status.seconds_left, len(progress.at_work)
    return status.seconds_left + whole * max(0, progress.total - progress.done - count) / count


def _buttons(study: Study, progress: StudyProgress, problems: list[str]) -> str | None:
    """Draw the buttons of the study; return the name of the run to show, or None."""
    status = progress.status
    with st.container(horizontal=True, vertical_alignment="center"):
        if status.is_active and study.stop_requested():
            st.caption(":material/pause_circle: Stopping after this step …")
        elif status.is_active:
            st.button(
                "Stop study", icon=":material/stop:", on_click=layout.attempt, args=(Study.request_stop, study),
                help="The current run finishes its step, saves and ends. The study can be resumed.",
            )  # fmt: skip
        elif status.state != "finished" or _trains_again(study):
            st.button(
                "Start" if status.state == "none" else "Resume study", icon=":material/resume:", type="primary",
                on_click=layout.attempt, args=(study_form.resume, study), disabled=bool(problems),
                help="Finished runs are kept; the unfinished run continues from its checkpoint.",
            )  # fmt: skip
        if not status.is_active:
            KINDS[study.kind].more(study, problems)
            _delete_button(study)
        if status.is_active and progress.at_work and st.button("Show current run", icon=":material/arrow_forward:"):
            return progress.at_work[-1].name
    if status.state == "finished" and study.missing():
        st.caption(
            f":material/info: Deleted since: {', '.join(study.missing())}. The metrics of the study are kept."
            + (" *Resume study* trains them again." if _trains_again(study) else "")
        )
    return None


def _trains_again(study: Study) -> bool:
    """Whether a finished study would train again what was deleted of it; a search keeps its record instead."""
    return study.kind != "search" and bool(study.missing())
