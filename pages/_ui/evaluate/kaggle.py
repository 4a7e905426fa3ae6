"""Evaluate: Kaggle's submission.csv for the patches without a label, from this model or the folds of a study."""

from pathlib import Path

import streamlit as st

from core.bundle import load_bundle
from core.data import Dataset
from core.errors import NodescopeError, RunError
from core.scoring.chunks import CHUNK
from core.scoring.job import SubmissionJob
from core.scoring.kaggle import SAMPLE
from core.studies.cross_validation import fold_bundles
from core.studies.study import list_studies
from pages._ui import jobs, layout, state
from pages._ui.evaluate import predictions
from pages._ui.evaluate.context import EvaluationContext

THIS = "This model"


def draw(context: EvaluationContext) -> None:
    """Draw the section."""
    st.markdown("#### For Kaggle")
    count = int(context.dataset.table["label"].isna().sum())
    if not count:
        st.caption(
            "A submission is about patches without a label, and this data set has none. In the competition's folder "
            "they are in test/."
        )
        return
    sources: dict[str, list[Path]] = {THIS: [layout.bundle_path()], **_studies()}
    chosen = st.selectbox(
        "Predicted by", list(sources), key=state.SUBMIT_BY, persist_state="session",
        help="A cross-validation that is finished can be chosen too: the mean of its folds' calibrated logits.",
    )  # fmt: skip
    bundles = sources[chosen]
    job = SubmissionJob.of([_digest(path, path.stat().st_mtime_ns) for path in bundles], context.dataset)
    status = job.status()
    if status.is_active:
        jobs.watch_patches(job, "Predicting", count, key="cancel_submission")
        return
    if status.state == "finished" and job.text_path.is_file():
        _finished(job, context.dataset)
        return
    device = context.predictor.device.type
    predictions.last_word(status, job.partial(context.dataset, device=device).kept(CHUNK, count), count)
    st.button(
        f"Predict the {count:,} test patches", icon=":material/play_arrow:", on_click=_start,
        args=(job, context.dataset.source, bundles, device),
        help="In the background; you may leave the page and come back.",
    )  # fmt: skip


def _studies() -> dict[str, list[Path]]:
    """Return the finished cross-validations and the bundles of their folds."""
    found = {}
    for study in list_studies():
        try:
            bundles = fold_bundles(study)
        except RunError:
            continue  # not finished, or no cross-validation: nothing to offer
        found[f"{len(bundles)} folds of {study.name}"] = bundles
    return found


@st.cache_data(show_spinner=False, max_entries=64)
def _digest(path: Path, stamp: int) -> str:  # noqa: ARG001 - the stamp is part of the key
    return load_bundle(path).digest


def _finished(job: SubmissionJob, dataset: Dataset) -> None:
    text = job.text_path.read_text("utf-8")
    ids = text.count("\n") - 1
    checked = (Path(dataset.source) / SAMPLE).is_file()
    words = f"exactly the ids of {SAMPLE}, in its order" if checked else f"the ids of test/, as there is no {SAMPLE}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "submission.csv", text, "submission.csv", "text/csv", icon=":material/download:", on_click="ignore",
            help=layout.RESEARCH_ONLY,
        )  # fmt: skip
        st.caption(f":material/check: {ids:,} lines: {words}.")


def _start(job: SubmissionJob, source: str, bundles: list[Path], device: str) -> None:
    try:
        job.start(source=source, bundles=bundles, device=device)
    except NodescopeError as error:
        st.session_state[state.NOTICE] = str(error)
