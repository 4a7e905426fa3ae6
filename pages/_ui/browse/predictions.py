"""Browse: the predictions of the sidebar's model, read where they are stored, else made on request."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.bundle import Bundle
from core.data import Dataset
from core.errors import NodescopeError
from core.evaluation.metrics import log_losses
from core.scoring.dataset import CHOICES
from core.scoring.job import ScoreJob
from core.scoring.store import load_scores, scores_path
from pages._ui import cache, jobs, layout, state

SUBSET = "all"
"""The subset that Browse predicts; stored predictions of other subsets, as Evaluate makes them, are shown as well."""


VERDICTS = ("right", "false negative", "false positive", "not predicted")


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions, aligned with the rows of a data set.

    Attributes:
        name: of the bundle.
        probability: float64 (N,), NaN where the patch was not predicted.
        loss: float64 (N,), in nats, NaN likewise.
        threshold: at or above this probability a patch is called tumour.
        label: int8 (N,), -1 where the patch was not predicted.
    """

    name: str
    probability: npt.NDArray[np.float64]
    loss: npt.NDArray[np.float64]
    threshold: float
    label: npt.NDArray[np.int8]

    @property
    def called(self) -> npt.NDArray[np.bool_]:
        """Whether each patch is called tumour; False where it was not predicted."""
        return np.asarray(self.probability >= self.threshold)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether each patch was predicted."""
        return self.label >= 0

    @cached_property
    def verdicts(self) -> npt.NDArray[np.str_]:
        """How the model judged each patch against its label: one of :data:`VERDICTS`."""
        tumour = self.label == 1
        wrong = np.where(tumour, "false negative", "false positive")
        return np.where(~self.known, "not predicted", np.where(self.called == tumour, "right", wrong))


def predicted(dataset: Dataset) -> Predicted | None:
    """Return the stored predictions of the sidebar's model, or None if there are none, or no such model."""
    try:
        bundle = _bundle()
        base = dataset.base  # its predictions hold whatever is decided later
        stamps = _stamps(bundle, base) + (_stamps(bundle, dataset) if base is not dataset else ())
        key = (bundle.digest, *cache.key_of(dataset), stamps)
        return cache.recall("predictions", key, lambda: _read(bundle, base, dataset), most=4) if stamps else None
    except NodescopeError as error:
        st.caption(f":material/warning: No predictions: {error}")
        return None


def draw(dataset: Dataset, found: Predicted | None) -> None:
    """Draw how far the predictions are, or the button that makes them."""
    labelled = int(dataset.table["label"].notna().sum())
    if not labelled:
        return
    try:
        bundle = _bundle()
    except NodescopeError:
        return  # predicted() has shown the error
    job = ScoreJob(_paths(bundle, dataset.base)[SUBSET].with_suffix(".job"))
    if job.status().is_active:
        jobs.watch(job, "Predicting in the background", patches=labelled)
        return
    missing = labelled if found is None else labelled - int(found.known.sum())
    # A few unreadable patches never get a prediction: the button would not go away.
    if missing > labelled * 0.001:
        _invite(job, bundle, dataset, missing, labelled)


def _invite(job: ScoreJob, bundle: Bundle, dataset: Dataset, missing: int, labelled: int) -> None:
    jobs.last_attempt(job.status())
    command = [
        "evaluate", "--data", dataset.source, "--bundle", str(layout.bundle_path()), "--subset", SUBSET,
        "--device", layout.device(), "--decisions", "none",
    ]  # fmt: skip
    start = "has not predicted" if missing == labelled else f"has not predicted {missing:,} of"
    st.button(
        "Predict patches", icon=":material/query_stats:", key="predict_all", on_click=_predict, args=(job, command),
        help=f"{bundle.card.name} {start} these {labelled:,} labelled patches. Once predicted, they can be filtered "
        "and sorted by probability and error. This runs in the background: you can continue, or leave the page.",
    )  # fmt: skip


def _predict(job: ScoreJob, command: list[str]) -> None:
    st.session_state[state.BADGES] = True  # who asks for predictions wants to see them
    jobs.launch(job, command)


def _bundle() -> Bundle:
    return cache.bundle(layout.bundle_path())


def _paths(bundle: Bundle, dataset: Dataset) -> dict[str, Path]:
    """Return where the predictions of each subset are or would be."""
    return {subset: scores_path(bundle, dataset, subset) for subset in CHOICES}


def _stamps(bundle: Bundle, dataset: Dataset) -> tuple[tuple[str, int], ...]:
    paths = _paths(bundle, dataset)
    return tuple((str(path), cache.file_stamp(path)) for path in paths.values() if path.is_file())


def _read(bundle: Bundle, base: Dataset, dataset: Dataset) -> Predicted | None:
    """Put the stored subsets together; a patch has the same prediction in each."""
    probability = np.full(len(dataset), np.nan)
    # Browse predicts the data set without decisions, Evaluate the one with them: each has its own fingerprint and file.
    for source in (base,) if base is dataset else (base, dataset):
        there = pd.Index(dataset.table["id"]).get_indexer(source.table["id"])
        for subset, path in _paths(bundle, source).items():
            scored = load_scores(bundle, source, subset) if path.is_file() else None
            if scored is not None:
                # -1 for a patch that a decision excludes.
                rows = there[scored.rows]
                probability[rows[rows >= 0]] = scored.probabilities[rows >= 0]
    label = np.where(np.isfinite(probability), dataset.table["label"].fillna(-1).to_numpy(np.int8), -1).astype(np.int8)
    known = label >= 0
    if not known.any():
        return None
    loss = np.full(len(dataset), np.nan)
    loss[known] = log_losses(label[known] == 1, probability[known])
    return Predicted(bundle.card.name, probability, loss, float(bundle.card.threshold), label)
