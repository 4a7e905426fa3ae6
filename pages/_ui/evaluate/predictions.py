"""Where the Evaluate page gets its predictions: from disk, made now, or made in the background with progress."""

from pathlib import Path

import numpy as np
import streamlit as st

from core.data import Dataset
from core.errors import DataError, NodescopeError
from core.prediction import Predictor
from core.scoring.chunks import CHUNK
from core.scoring.dataset import Scored, select
from core.scoring.job import JobStatus, ScoreJob
from core.scoring.store import chunk_cache_of, forget_scores, load_scores, score_and_store
from pages._ui import jobs, layout
from pages._ui.evaluate.context import fingerprint

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
        layout.show_error(error)
        st.button("Delete them", on_click=forget_scores, args=(predictor.bundle, dataset, part))
        st.stop()


def _made(predictor: Predictor, dataset: Dataset, part: str, bundle_path: Path) -> Scored | None:
    rows, words = _chosen(predictor, dataset, part)
    if not len(rows):
        st.info(_nothing(dataset, words), icon=":material/label_off:")
        return None
    job = ScoreJob.of(predictor.bundle, dataset, part)
    if job.status().is_active:
        jobs.watch_patches(job, "Predicting in the background", len(rows), key="cancel_scoring")
        return None
    inline = len(rows) <= INLINE[predictor.device.type]
    place = st.empty()  # of both, or the button that was pressed would stay below the bar, grey and without a word
    if not st.session_state.pop(_WISH, False):
        with place.container():
            _invite(predictor, dataset, part, bundle_path, rows, words, job, inline)
        return None
    with place.container():
        bar = st.progress(0.0, text=f"Predicting {len(rows):,} patches")
        st.button("Stop", icon=":material/stop:", help="What is done is kept")
    found = score_and_store(predictor, dataset, part, progress=lambda share: _show(bar, share, len(rows)))
    place.empty()
    return found


def _chosen(predictor: Predictor, dataset: Dataset, part: str) -> tuple[np.ndarray, str]:
    return select(predictor.bundle, dataset, part)


def _show(bar: "st.delta_generator.DeltaGenerator", share: float, patches: int) -> None:
    bar.progress(min(share, 1.0), text=f"Predicting {patches:,} patches: {share:.0%}")


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
    done = chunk_cache_of(predictor.bundle, dataset, part, device=predictor.device.type).kept(CHUNK, len(rows))
    last_word(job.status(), done, len(rows))
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


def last_word(status: JobStatus, done: int, patches: int) -> None:
    """Draw how the last attempt to predict so many patches ended, and how many of them are done and kept."""
    kept = f" {done:,} of {patches:,} patches are done and kept; it goes on from there." if done else ""
    if status.state in ("failed", "lost"):
        st.error(f"The last attempt failed. {status.message}{kept}", icon=":material/error:")
    elif status.state == "cancelled":
        st.caption(f"The last attempt was cancelled.{kept}")
    elif kept:
        st.caption(f"An earlier attempt was broken off.{kept}")


def _wish() -> None:
    st.session_state[_WISH] = True


def _launch(job: ScoreJob, source: str, bundle_path: Path, part: str, device: str) -> None:
    try:
        job.start(source=source, bundle=bundle_path, split=part, device=device)
    except NodescopeError as error:
        layout.show_error(error)
