"""Evaluate: the predictions, read from disk, made now, or made in the background with progress."""

from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st

from core.data import Dataset
from core.errors import DataError
from core.job import JobStatus
from core.prediction import Predictor
from core.scoring.dataset import Scored, select
from core.scoring.job import ScoreJob
from core.scoring.store import chunk_cache_of, forget_scores, load_scores, score_and_store
from pages._ui import cache, jobs, layout, state, widgets

INLINE = {"cpu": 3_000, "cuda": 50_000, "mps": 10_000}
"""Most patches that are scored while the visitor waits, by device; more are scored in the background."""

_REQUEST = "evaluate_now"


def scored(predictor: Predictor, dataset: Dataset, subset: str, bundle_path: Path) -> Scored | None:
    """Return the predictions, or draw what to do or how far they are and return None."""
    try:
        found = stored(predictor, dataset, subset)
    except DataError as error:
        layout.show_error(error)
        st.button("Delete stored predictions", on_click=forget_scores, args=(predictor.bundle, dataset, subset))
        return None
    if found is None:
        found = _made(predictor, dataset, subset, bundle_path)
    key = scored_key(predictor, dataset, subset)
    return None if found is None else cache.recall("scored", key, lambda: found)


def stored(predictor: Predictor, dataset: Dataset, subset: str) -> Scored | None:
    """Return predictions that exist already, and draw nothing. Raises :class:`DataError` for a damaged file."""
    found: Scored | None = cache.peek("scored", scored_key(predictor, dataset, subset))
    return load_scores(predictor.bundle, dataset, subset) if found is None else found


def scored_key(predictor: Predictor, dataset: Dataset, subset: str) -> str:
    """Return what stands for the predictions in keys of the memo."""
    return "/".join((predictor.bundle.digest, *cache.key_of(dataset), subset))


def _made(predictor: Predictor, dataset: Dataset, subset: str, bundle_path: Path) -> Scored | None:
    rows, description = select(predictor.bundle, dataset, subset)
    if not len(rows):
        _nothing(dataset, description)
        return None
    job = ScoreJob.of(predictor.bundle, dataset, subset)
    if job.status().is_active:
        jobs.watch(job, "Predicting in the background", patches=len(rows))
        return None
    inline = len(rows) <= INLINE[predictor.device.type]
    place = st.empty()  # of both, or the button that was clicked would stay below the bar, greyed out
    # Taken out at once, so that a later rerun, such as the one that Stop causes, does not start again.
    if not st.session_state.pop(_REQUEST, False):
        with place.container():
            _invite(predictor, dataset, subset, bundle_path, rows, description, job, inline)
        return None
    with place.container(), widgets.progress(f"Predicting {len(rows):,} patches") as show:
        show(0.0)
        # It needs no callback: any click ends this run of the script at its next progress report. Chunks are kept.
        st.button("Stop", icon=":material/stop:", help="What is done is kept.")
        found = score_and_store(predictor, dataset, subset, progress=show)
    place.empty()
    return found


def _nothing(dataset: Dataset, description: str) -> None:
    labelled = int(dataset.table["label"].notna().sum())
    if labelled:
        st.info(f"{dataset.name} has no labelled patch here ({description}).", icon=":material/label_off:")
        st.button(f"All {labelled:,} labelled patches", icon=":material/select_all:", on_click=st.session_state.update,
                  args=({state.SUBSET: "all"},))  # fmt: skip
        return
    st.info(
        f"{dataset.name} has no labels, so a model cannot be evaluated on it. Choose a labelled data set in the "
        "sidebar, or predict its patches.",
        icon=":material/label_off:",
    )
    st.page_link("pages/predict.py", label="Predict patches", icon=":material/biotech:")
    st.page_link("pages/browse.py", label="Label patches under Browse", icon=":material/grid_view:")


def _invite(
    predictor: Predictor,
    dataset: Dataset,
    subset: str,
    bundle_path: Path,
    rows: np.ndarray,
    description: str,
    job: ScoreJob,
    inline: bool,
) -> None:
    done = chunk_cache_of(predictor.bundle, dataset, subset, device=predictor.kind).kept(len(rows))
    last_attempt(job.status(), done, len(rows))
    name = widgets.escaped(layout.model_name(bundle_path, predictor.bundle.card))
    wait = "You can watch it here." if inline else "It runs in the background: you can leave the page and come back."
    st.info(
        f"**{name}** has not predicted these {len(rows):,} patches of **{dataset.name}** "
        f"yet: {description}. Evaluate predicts them and compares the predictions with the labels. {wait}",
        icon=":material/query_stats:",
    )
    if inline:
        st.button("Evaluate", type="primary", icon=":material/play_arrow:", on_click=st.session_state.update,
                  args=({_REQUEST: True},))  # fmt: skip
    else:
        st.button(
            "Evaluate in the background", type="primary", icon=":material/play_arrow:", on_click=layout.attempt,
            args=(partial(job.start, source=dataset.source, bundle=bundle_path, split=subset,
                          device=predictor.device.type),),
        )  # fmt: skip


def last_attempt(status: JobStatus, done: int, patches: int) -> None:
    """Draw how the last attempt to predict these patches ended, and how many of them are done and kept."""
    kept = f"{done:,} of {patches:,} patches are done and kept; the next attempt continues from there." if done else ""
    jobs.last_attempt(status, next_one=kept)
    if kept and status.state not in ("failed", "lost", "cancelled"):
        st.caption(f"An earlier attempt was interrupted. {kept}")
