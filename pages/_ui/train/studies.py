"""Train: studies, which are cross-validations, searches and learning curves: start, watch, stop, go on."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core.errors import NodescopeError
from core.runs import find_run
from core.studies import delete_study
from core.studies.study import Study, StudyProgress, list_studies, progress_of, start_study
from core.work_folder import STATES
from pages._ui import layout, state
from pages._ui.train import cross_validation, learning_curve, run, search, trash

POLL_SECONDS = 2.0


@dataclass(frozen=True)
class _Kind:
    label: str
    icon: str
    form: Callable[[], None]
    result: Callable[[Study], str | None]
    more: Callable[[Study], None] = lambda _study: None  # buttons of its own, while nothing works on it


KINDS = {
    "folds": _Kind("Cross-validation", ":material/grid_view:", cross_validation.form, cross_validation.result),
    "search": _Kind("Search", ":material/travel_explore:", search.form, search.result, search.more),
    "curve": _Kind(
        "Learning curve", ":material/show_chart:", learning_curve.form, learning_curve.result, learning_curve.more
    ),
}


def show() -> None:
    """Draw the forms for new studies and the one that is chosen."""
    studies = list_studies()
    st.caption(
        "A study is several runs that belong together. Its process trains one after the other and goes on without "
        "the page; killed, it goes on where it was."
    )
    if not studies:
        st.info(
            "No study yet. A **cross-validation** tests every patch by a model that never saw it, and tells how "
            "certain the figures are. A **search** tries settings out and keeps a record of every trial. A **learning "
            "curve** trains on fewer and more patches, and tells whether more labels would help.",
            icon=":material/grid_view:",
        )
    for column, (kind, each) in zip(st.columns(len(KINDS)), KINDS.items(), strict=True):
        with column.expander(
            f"New {each.label.lower()}",
            icon=each.icon,
            expanded=not studies,
            key=f"new-{kind}-{st.session_state.get(state.STUDIES_STARTED, 0)}",  # it folds when one has been started
        ):
            each.form()
    if studies:
        _chosen(studies)
    trash.show()


def _chosen(studies: list[Study]) -> None:
    names = [study.name for study in studies]
    wanted = st.session_state.pop(state.WANTED_STUDY, None)
    if wanted in names or st.session_state.get(state.STUDY) not in names:
        st.session_state[state.STUDY] = wanted if wanted in names else names[0]
    name = st.selectbox("Study", names, key=state.STUDY, bind="query-params")
    study = studies[names.index(name)]
    progress = progress_of(study)
    # The disk is asked again and again only while something works on the study.
    st.fragment(_panel, run_every=POLL_SECONDS if progress.status.is_active else None)(study, progress.status.state)


def _panel(study: Study, state_on_page: str) -> None:
    if not study.path.exists():
        st.rerun()
    progress = progress_of(study)
    status, kind = progress.status, KINDS[study.kind]
    if status.state != state_on_page:
        st.rerun()
    shown = STATES[status.state]
    st.badge(f"{shown.label} · {kind.label.lower()}", icon=shown.icon, color=shown.colour)
    if status.state == "failed":
        st.error(status.message or "It failed; the log says why.")
    if status.state == "lost":
        st.warning(
            "The process of this study is gone: killed perhaps, by a restart or because the disk was full. Resume goes "
            "on from there."
        )
    if status.state != "finished":
        st.progress(min(progress.share, 1.0), text=_words(progress))
    chosen = _buttons(study, progress)
    if st.session_state.get(state.DELETING_STUDY) == study.name:
        _confirm(study)
    try:
        chosen = kind.result(study) or chosen
        if chosen is not None:
            find_run(chosen)  # says so if it was deleted
    except NodescopeError as error:
        layout.show_error(error)
        return
    if chosen is not None:
        st.session_state[state.WANTED_RUN] = chosen
        st.rerun()  # the choice of the view stands outside of this fragment
    with st.expander("Folder and log"):
        st.caption(str(study.path))
        log = study.path / "log.txt"
        st.code(log.read_text("utf-8")[-4000:] if log.is_file() else "No log: it was started on the command line.")


def _words(progress: StudyProgress) -> str:
    words = [f"{progress.done} of {progress.total} runs"]
    if progress.status.is_active and progress.current is not None:
        status = progress.current.status()
        at = f"epoch {status.epoch} of {status.epochs}" if status.steps else ""
        stage = "" if status.stage in ("Training", "Validating") else status.stage
        at = ", ".join(each for each in (at, stage) if each) or STATES[status.state].label
        words.append(f"{progress.current.name}: {at}")
        left = _seconds_left(progress)
        words += [f"about {run.duration(left)} left"] if left is not None else []
    return " · ".join(words)


def _seconds_left(progress: StudyProgress) -> float | None:
    """Return how long the study may still take, judged by the run in work."""
    if progress.current is None:
        return None
    status = progress.current.status()
    if status.seconds_left is None or not status.progress:
        return None
    whole = status.seconds + status.seconds_left
    return status.seconds_left + whole * (progress.total - progress.done - 1)


def _buttons(study: Study, progress: StudyProgress) -> str | None:
    """Draw what can be done with the study; return the name of the run that is wanted, or None."""
    status = progress.status
    with st.container(horizontal=True, vertical_alignment="center"):
        if status.is_active and study.stop_requested():
            st.caption(":material/pause_circle: Stopping after this step …")
        elif status.is_active:
            st.button(
                "Stop study", icon=":material/stop:", on_click=_attempt, args=(Study.request_stop, study),
                help="The run in work finishes its step, saves and ends; the study can be resumed.",
            )  # fmt: skip
        elif status.state != "finished" or _trains_again(study):
            st.button(
                "Start" if status.state == "none" else "Resume study", icon=":material/resume:", type="primary",
                on_click=_attempt, args=(start_study, study),
                help="Finished runs are kept, the unfinished one goes on from its checkpoint.",
            )  # fmt: skip
        if not status.is_active:
            KINDS[study.kind].more(study)
            st.button("Delete …", icon=":material/delete:", on_click=_ask, args=(study.name,))
        current = progress.current if status.is_active else None
        if current is not None and st.button("Show the run in work", icon=":material/arrow_forward:"):
            return current.name
    if status.state == "finished" and study.missing():
        st.caption(
            f":material/info: Deleted since: {', '.join(study.missing())}. The figures of the study stay."
            + (" *Resume study* trains them again." if _trains_again(study) else "")
        )
    return None


def _trains_again(study: Study) -> bool:
    """Whether a finished study would train again what was deleted of it; a search keeps its record instead."""
    return study.kind != "search" and bool(study.missing())


def _confirm(study: Study) -> None:
    there = len(study.runs())
    with st.container(border=True):
        st.markdown(
            f"Move **{study.name}** to the trash, with "
            + (f"its {there} runs, their models and logs?" if there != 1 else "its one run, the model and the log?")
        )
        st.caption("It comes back whole from the trash until that is emptied; the trash is at the end of this page.")
        with st.container(horizontal=True):
            st.button("Move to trash", icon=":material/delete:", type="primary", on_click=_delete, args=(study,))
            st.button("Keep it", on_click=_ask, args=(None,))


def _ask(name: str | None) -> None:
    st.session_state[state.DELETING_STUDY] = name


def _delete(study: Study) -> None:
    _ask(None)
    try:
        delete_study(study)
    except NodescopeError as error:
        st.session_state[state.NOTICE] = str(error)
    else:
        st.session_state[state.NOTICE] = f"{study.name} is in the trash, with its runs"


def _attempt(action: Callable[[Study], None], study: Study) -> None:
    try:
        action(study)
    except NodescopeError as error:
        st.session_state[state.NOTICE] = str(error)
