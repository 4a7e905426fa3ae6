"""Evaluate: Kaggle's submission.csv for the patches without a label, by this model or the folds of a study."""

from functools import partial
from pathlib import Path

import streamlit as st

from core.bundle import load_bundle
from core.data import Dataset
from core.errors import RunError
from core.formatting import RESEARCH_ONLY
from core.scoring.job import SubmissionJob
from core.scoring.kaggle import SAMPLE
from core.studies.cross_validation import fold_bundles
from core.studies.study import list_studies
from pages._ui import cache, jobs, layout, state, widgets
from pages._ui.evaluate import predictions
from pages._ui.evaluate.context import EvaluationContext

THIS = "This model"


def draw(context: EvaluationContext) -> None:
    """Draw the section."""
    st.markdown("#### Submission to Kaggle")
    dataset = context.dataset.base  # a submission names every patch that came without a label
    count = int(dataset.table["label"].isna().sum())
    if not count:
        st.caption(
            "A submission predicts patches without a label, and this data set has none. In the competition's folder "
            "they are in test/."
        )
        return
    sources: dict[str, list[Path]] = {THIS: [layout.bundle_path()], **_studies()}
    chosen = st.selectbox(
        "Predicted by", list(sources), key=state.SUBMIT_BY, persist_state="session",
        help="This model, or a finished cross-validation, which predicts by the mean of its folds' calibrated logits.",
    )  # fmt: skip
    bundles = sources[chosen]
    job = SubmissionJob.of([_digest(path) for path in bundles], dataset)
    status = job.status()
    if status.is_active:
        jobs.watch(job, "Predicting", patches=count)
        return
    if status.state == "finished" and job.text_path.is_file():
        _finished(job, dataset)
        return
    device = context.predictor.device.type
    predictions.last_attempt(status, job.partial(dataset, device=context.predictor.kind).kept(count), count)
    st.button(
        f"Predict the {count:,} test patches", icon=":material/play_arrow:", on_click=layout.attempt,
        args=(partial(job.start, source=dataset.source, bundles=bundles, device=device),),
        help="This runs in the background: you can leave the page and come back.",
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


def _digest(path: Path) -> str:
    # Not cache.bundle: the folds of a study would push other bundles out, and only a few letters of each are wanted.
    return cache.recall("digest", (path, cache.file_stamp(path)), lambda: load_bundle(path).digest, most=64)


def _finished(job: SubmissionJob, dataset: Dataset) -> None:
    text = job.text_path.read_text("utf-8")
    ids = text.count("\n") - 1
    checked = (Path(dataset.source) / SAMPLE).is_file()
    description = (
        f"exactly the ids of {SAMPLE}, in its order" if checked else f"the ids of test/, as there is no {SAMPLE}"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.export("Export submission.csv", text, "submission.csv", help=RESEARCH_ONLY)
        st.caption(f":material/check: {ids:,} lines: {description}.")
