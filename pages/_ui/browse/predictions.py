"""What the sidebar's model says of the patches on the Browse page: read where it is stored, else made on request."""

import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.bundle import Bundle, load_bundle
from core.data import Dataset
from core.errors import NodescopeError
from core.evaluation.metrics import log_losses
from core.scoring.dataset import CHOICES
from core.scoring.job import ScoreJob
from core.scoring.store import load_scores, scores_path
from pages._ui import jobs, layout

PART = "all"
"""What Browse asks for; predictions of other parts, as Evaluate makes them, are shown as well."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions, aligned with the rows of a data set.

    Attributes:
        name: of the bundle.
        probability: float64 (N,), NaN where the patch was not predicted.
        loss: float64 (N,), in nats, NaN likewise.
        threshold: from this probability on the verdict is tumour.
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


def predicted(dataset: Dataset) -> Predicted | None:
    """Return the stored predictions of the sidebar's model, or None if there are none, or no such model."""
    try:
        bundle = _bundle()
        base = dataset.base  # what was predicted of it holds whatever is decided later
        stamps = _stamps(bundle, base) + (_stamps(bundle, dataset) if base is not dataset else ())
        return _recall(bundle, base, dataset, stamps) if stamps else None
    except NodescopeError as error:
        st.caption(f":material/warning: No predictions: {error}")
        return None


def draw(dataset: Dataset, found: Predicted | None) -> None:
    """Draw one quiet line: how far the predictions are, or the button that makes them."""
    labelled = int(dataset.table["label"].notna().sum())
    if not labelled:
        return
    try:
        bundle = _bundle()
    except NodescopeError:
        return  # predicted() has said so
    job = ScoreJob(_paths(bundle, dataset.base)[PART].with_suffix(".job"))
    if job.status().is_active:
        jobs.watch_patches(job, "Predicting in the background", labelled, key="cancel_predict")
        return
    missing = labelled if found is None else labelled - int(found.known.sum())
    if missing > labelled * 0.001:
        _invite(job, bundle, dataset, missing, labelled)


def _invite(job: ScoreJob, bundle: Bundle, dataset: Dataset, missing: int, labelled: int) -> None:
    status = job.status()
    if status.state in ("failed", "lost"):
        st.error(f"The last attempt to predict failed. {status.message}", icon=":material/error:")
    words = "has not predicted" if missing == labelled else f"has not predicted {missing:,} of"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"**{bundle.card.name}** {words} these {labelled:,} labelled patches; then they can be filtered and sorted "
            "by probability and error.",
            width="content",
        )
        st.button(
            "Predict them", icon=":material/query_stats:", type="tertiary", key="predict_all",
            on_click=_launch, args=(job, dataset.source, layout.bundle_path()),
            help="In the background: you may go on, or leave the page and come back.",
        )  # fmt: skip


def _launch(job: ScoreJob, source: str, bundle_path: Path) -> None:
    try:
        job.launch([
            "evaluate", "--data", source, "--bundle", str(bundle_path), "--subset", PART, "--device", layout.device(),
            "--decisions", "none",
        ])  # fmt: skip
    except NodescopeError as error:
        layout.show_error(error)


def _bundle() -> Bundle:
    path = layout.bundle_path()
    return _loaded(path, path.stat().st_mtime_ns)


@st.cache_resource(show_spinner=False, max_entries=4)
def _loaded(path: Path, stamp: int) -> Bundle:  # noqa: ARG001 - the stamp is part of the key
    return load_bundle(path)


def _paths(bundle: Bundle, dataset: Dataset) -> dict[str, Path]:
    """Return where the predictions of each part are or would be. Its fingerprint takes long for a large data set."""
    held = _known_paths()
    for table, digest, paths in held:
        if table() is dataset.table and digest == bundle.digest:
            return paths
    whole = scores_path(bundle, dataset, PART)
    stem = whole.name.removesuffix(f"-{PART}.npz")
    paths = {part: whole.with_name(f"{stem}-{part}.npz") for part in CHOICES}
    held[:] = [(weakref.ref(dataset.table), bundle.digest, paths), *held[:7]]
    return paths


@st.cache_resource(show_spinner=False)
def _known_paths() -> "list[tuple[weakref.ref[object], str, dict[str, Path]]]":
    return []


def _stamps(bundle: Bundle, dataset: Dataset) -> tuple[tuple[str, int], ...]:
    paths = _paths(bundle, dataset)
    return tuple((str(path), path.stat().st_mtime_ns) for path in paths.values() if path.is_file())


def _recall(bundle: Bundle, base: Dataset, dataset: Dataset, stamps: tuple[tuple[str, int], ...]) -> Predicted | None:
    held = _held()
    for table, key, value in held:
        if table() is dataset.table and key == (bundle.digest, stamps):
            return value
    value = _read(bundle, base, dataset)
    held[:] = [(weakref.ref(dataset.table), (bundle.digest, stamps), value), *held[:3]]
    return value


@st.cache_resource(show_spinner=False)
def _held() -> "list[tuple[weakref.ref[object], tuple[str, tuple[tuple[str, int], ...]], Predicted | None]]":
    return []


def _read(bundle: Bundle, base: Dataset, dataset: Dataset) -> Predicted | None:
    """Put the stored parts together; a patch has the same prediction in each."""
    probability = np.full(len(dataset), np.nan)
    for source in (base,) if base is dataset else (base, dataset):
        there = pd.Index(dataset.table["id"]).get_indexer(source.table["id"])
        for part, path in _paths(bundle, source).items():
            scored = load_scores(bundle, source, part) if path.is_file() else None
            if scored is not None:
                rows = there[scored.rows]
                probability[rows[rows >= 0]] = scored.probabilities[rows >= 0]
    label = np.where(np.isfinite(probability), dataset.table["label"].fillna(-1).to_numpy(np.int8), -1).astype(np.int8)
    known = label >= 0
    if not known.any():
        return None
    loss = np.full(len(dataset), np.nan)
    loss[known] = log_losses(label[known] == 1, probability[known])
    return Predicted(bundle.card.name, probability, loss, float(bundle.card.threshold), label)
