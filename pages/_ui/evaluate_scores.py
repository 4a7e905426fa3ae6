"""Where the Evaluate page gets its predictions: from disk, made now, or made in the background with progress."""

from pathlib import Path

import numpy as np
import streamlit as st

from core.data import Dataset
from core.errors import DataError, NodescopeError
from core.prediction import Predictor
from core.prediction.score import Scored, score, select
from core.prediction.score_job import JobStatus, ScoreJob
from core.prediction.scores import forget_scores, load_scores, save_scores
from pages._ui import frame
from pages._ui.evaluate_scene import fingerprint

INLINE = {"cpu": 3_000, "cuda": 50_000}
"""Up to so many patches are scored while one waits; more are scored in the background."""

_WISH = "evaluate_now"


def scored(predictor: Predictor, dataset: Dataset, part: str, bundle_path: Path) -> Scored | None:
    """Return the predictions, or None after drawing what to do or how far it is."""
    key = scored_key(predictor, dataset, part)
    held = _held()
    if key in held:
        return held[key]
    found = _stored(predictor, dataset, part)
    if found is None:
        found = _made(predictor, dataset, part, bundle_path)
    if found is not None:
        while len(held) >= 8:
            held.pop(next(iter(held)), None)
        held[key] = found
    return found


def stored(predictor: Predictor, dataset: Dataset, part: str) -> Scored | None:
    """Return predictions that are there already, and draw nothing."""
    key = scored_key(predictor, dataset, part)
    return _held().get(key) or load_scores(predictor.bundle, dataset, part)


def scored_key(predictor: Predictor, dataset: Dataset, part: str) -> str:
    """Return the name of the predictions."""
    return f"{predictor.bundle.digest}/{fingerprint(dataset)}/{dataset.source}/{part}"


@st.cache_resource(show_spinner=False)
def _held() -> dict[str, Scored]:
    return {}


def _stored(predictor: Predictor, dataset: Dataset, part: str) -> Scored | None:
    try:
        return load_scores(predictor.bundle, dataset, part)
    except DataError as error:
        frame.show_error(error)
        st.button("Delete them", on_click=forget_scores, args=(predictor.bundle, dataset, part))
        st.stop()


def _made(predictor: Predictor, dataset: Dataset, part: str, bundle_path: Path) -> Scored | None:
    rows, words = _chosen(predictor, dataset, part)
    if not len(rows):
        st.info(_nothing(dataset, words), icon=":material/label_off:")
        return None
    job = ScoreJob.of(predictor.bundle, dataset, part)
    if job.status().is_active:
        _watch(job, len(rows))
        return None
    inline = len(rows) <= INLINE[predictor.device.type]
    if not st.session_state.pop(_WISH, False):
        _invite(predictor, dataset, part, bundle_path, rows, words, job, inline)
        return None
    bar = st.progress(0.0, text="Predicting")
    found = score(predictor, dataset, part=part, progress=lambda share: _show(bar, share))
    save_scores(found, predictor.bundle, dataset, part)
    bar.empty()
    return found


def _chosen(predictor: Predictor, dataset: Dataset, part: str) -> tuple[np.ndarray, str]:
    return select(predictor.bundle, dataset, part)


def _show(bar: "st.delta_generator.DeltaGenerator", share: float) -> None:
    bar.progress(min(share, 1.0), text=f"Predicting: {share:.0%}")


def _nothing(dataset: Dataset, words: str) -> str:
    if not dataset.table["label"].notna().any():
        return (
            f"{dataset.name} has no labels, so there is nothing to measure a model against. Choose a labelled data set "
            "in the sidebar, or look at single patches under Predict."
        )
    return f"{dataset.name} has no labelled patch in this part ({words}). Choose another above."


def _invite(
    predictor: Predictor,
    dataset: Dataset,
    part: str,
    bundle_path: Path,
    rows: np.ndarray,
    words: str,
    job: ScoreJob,
    inline: bool,
) -> None:
    _last_word(job.status())
    wait = "You can watch it here." if inline else "It runs in the background: you may leave the page and come back."
    st.info(
        f"**{predictor.bundle.card.name}** has not predicted these {len(rows):,} patches of **{dataset.name}** "
        f"yet: {words}. Let it predict them and compare with their labels. {wait}",
        icon=":material/query_stats:",
    )
    if inline:
        st.button("Evaluate", type="primary", icon=":material/play_arrow:", on_click=_wish)
    else:
        st.button(
            "Evaluate in the background", type="primary", icon=":material/play_arrow:", on_click=_launch,
            args=(job, dataset.source, bundle_path, part, predictor.device.type),
        )  # fmt: skip


def _last_word(status: JobStatus) -> None:
    if status.state in ("failed", "lost"):
        st.error(f"The last attempt failed. {status.message}", icon=":material/error:")
    elif status.state == "cancelled":
        st.caption("The last attempt was cancelled.")


def _wish() -> None:
    st.session_state[_WISH] = True


def _launch(job: ScoreJob, source: str, bundle_path: Path, part: str, device: str) -> None:
    try:
        job.start(source=source, bundle=bundle_path, part=part, device=device)
    except NodescopeError as error:
        frame.show_error(error)


@st.fragment(run_every=1.0)
def _watch(job: ScoreJob, patches: int) -> None:
    status = job.status()
    if not status.is_active:
        st.rerun()
    left = "" if status.seconds_left is None else f", about {_duration(status.seconds_left)} left"
    done = f"Predicting in the background: {round(status.share * patches):,} of {patches:,} patches{left}"
    st.progress(min(status.share, 1.0), text="Starting its process …" if status.state == "starting" else done)
    if job.is_cancelled():
        st.caption("Cancelling after the patches in work …")
    else:
        st.button("Cancel", icon=":material/stop:", on_click=job.cancel)


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"
