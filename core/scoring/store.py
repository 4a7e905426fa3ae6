"""Predictions on disk: made once for a bundle, a data set and a split, and read by everything that measures them.

One ``.npz`` file, replaced atomically, at ``scores/<bundle digest>/<data fingerprint>-<split>.npz`` under
:func:`core.storage.home.home`. It holds the ids of the patches, not their row numbers, so that it fits the same data
set in another folder or order; labels, slides and calibration come from data set and bundle when it is read.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.bundle.bundle import Bundle
from core.data import CLASS_NAMES, Dataset
from core.errors import DataError, StorageError
from core.prediction.appearance import COLUMNS, Appearance
from core.prediction.engine import is_rounded
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress
from core.scoring.chunks import ChunkCache
from core.scoring.dataset import Scored, assemble, score, select
from core.storage.home import home
from core.storage.npz import checked, save_arrays, stored_arrays
from core.storage.spreadsheet import plain

VERSION = 3


def scores_path(bundle: Bundle, dataset: Dataset, split: str) -> Path:
    """Return where the predictions are or will be."""
    return home() / "scores" / bundle.digest / f"{dataset.fingerprint()}-{split}.npz"


def chunk_cache_of(bundle: Bundle, dataset: Dataset, split: str, *, device: str) -> ChunkCache:
    """Return where the chunks of an unfinished attempt are or will be; `device` is :attr:`Predictor.kind`."""
    path = scores_path(bundle, dataset, split).with_suffix(".partial")
    return ChunkCache.of(path, select(bundle, dataset, split)[0], stamp=dataset.stamp(), device=device)


def score_and_store(predictor: Predictor, dataset: Dataset, split: str, *, progress: Progress = no_progress) -> Scored:
    """Predict a split and store it, unless in bfloat16; what was cancelled or killed goes on at its last whole chunk.

    Arguments are those of :func:`core.scoring.dataset.score`.

    Raises:
        DataError: the split holds no labelled patch, or what was kept is damaged.
        StorageError: it cannot be stored.
    """
    keep = chunk_cache_of(predictor.bundle, dataset, split, device=predictor.kind)
    scored = score(predictor, dataset, split=split, keep=keep, progress=progress)
    if not is_rounded(predictor.kind):  # what is stored stands for the model, whatever predicts the next time
        save_scores(scored, predictor.bundle, dataset, split)
    keep.forget()
    return scored


def save_scores(scored: Scored, bundle: Bundle, dataset: Dataset, split: str) -> Path:
    """Store predictions atomically and return where. Raises :class:`StorageError`."""
    path = scores_path(bundle, dataset, split)
    about = {
        "version": VERSION,
        "bundle": bundle.card.name,
        "digest": bundle.digest,
        "data": dataset.name,
        "fingerprint": dataset.fingerprint(),
        "files": dataset.files,
        "part": scored.description,
        "unreadable": scored.unreadable,
        "device": scored.device,
        "time": time.time(),
    }
    ids = dataset.table["id"].to_numpy(dtype=object)[scored.rows]
    arrays: dict[str, Any] = {
        "ids": np.frombuffer("\n".join(ids).encode(), np.uint8),
        "logits": scored.logits.astype(np.float32),
    }
    if scored.appearance is not None:
        arrays["looks"] = scored.appearance.values
    save_arrays(path, about, **arrays)
    return path


def load_scores(bundle: Bundle, dataset: Dataset, split: str) -> Scored | None:
    """Return stored predictions, or None if there are none for the patches that the split has now and as they are.

    Predictions do not depend on labels: when some patches were relabelled or excluded since, those of the others stand.

    Raises:
        DataError: the file is damaged.
    """
    wanted, description = select(bundle, dataset, split)
    for path in _candidates(bundle, dataset, split):
        try:
            stored = _read(path)
        except DataError:
            if path == scores_path(bundle, dataset, split):
                raise
            continue  # it is said where these predictions are asked for by their own name
        if stored is None:
            continue
        about, ids, logits, appearance = stored
        rows = pd.Index(dataset.table["id"]).get_indexer(ids)
        usable = np.isin(rows, wanted)
        missing = len(wanted) - int(usable.sum())
        same = about.get("version") == VERSION and about.get("files") == dataset.files
        if not same or missing > int(about["unreadable"]):
            continue
        return assemble(
            bundle,
            dataset,
            rows[usable].astype(np.int64),
            logits[usable],
            description=description,
            unreadable=missing,
            appearance=None if appearance is None else appearance.subset(usable),
            device=str(about["device"]),
        )
    return None


_Stored = tuple[dict[str, Any], list[str], npt.NDArray[np.float32], Appearance | None]
"""What is known about stored predictions, and the ids, logits and appearance of the patches."""


def _candidates(bundle: Bundle, dataset: Dataset, split: str) -> list[Path]:
    """Return where predictions of these patches may be: under their own name, or among those of other splits.

    "auto" is the test split or all labelled patches, so that those of the one may be all of the other.

    Where files stand behind the pixels, also those that were made before labels were decided; without, patches of the
    same ids cannot be distinguished.
    """
    found = []
    for each in dict.fromkeys((split, "all") if split in ("train", "valid") else (split, "test", "auto", "all")):
        own = scores_path(bundle, dataset, each)
        found += [
            own,
            *(sorted(path for path in own.parent.glob(f"*-{each}.npz") if path != own) if dataset.files else []),
        ]
    return found


def _read(path: Path) -> _Stored | None:
    with stored_arrays(path, remedy="Delete this file of stored predictions and evaluate again.") as stored:
        if stored is None:
            return None
        about, file = stored
        ids, logits = file["ids"].tobytes().decode().split("\n"), file["logits"]
        looks = file.get("looks")
        checked(logits, "f", len(ids))
        if looks is not None:
            checked(looks, "f", len(ids), len(COLUMNS))
        if not isinstance(about.get("unreadable"), int):
            raise ValueError("it does not say how many patches could not be read")
        return about, ids, logits, (None if looks is None else Appearance(looks))


def forget_scores(bundle: Bundle, dataset: Dataset, split: str) -> None:
    """Delete stored predictions and what is kept of an attempt, if there are any. Raises :class:`StorageError`."""
    path = scores_path(bundle, dataset, split)
    ChunkCache(path.with_suffix(".partial"), "", 1).forget()
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path} cannot be deleted: {error.strerror}.") from error


def scores_csv(scored: Scored, dataset: Dataset, threshold: float) -> str:
    """Return the predictions as CSV, one row a patch, in the data set's order.

    Text that a spreadsheet would take for a formula is led by an apostrophe.
    """
    order = np.argsort(scored.rows, kind="stable")
    ids = dataset.table["id"].to_numpy(dtype=object)[scored.rows]
    slides = scored.slides if scored.slides is not None else np.full(len(scored), "")
    verdicts = scored.probabilities >= threshold
    names = np.array(CLASS_NAMES)
    columns = {
        "id": [plain(str(each)) for each in ids],
        "slide": [plain(str(each)) for each in slides],
        "label": names[scored.labels],
        "verdict": names[verdicts.astype(int)],
        "probability": scored.probabilities,
        "logit": scored.logits,
    }
    csv: str = pd.DataFrame(columns).iloc[order].to_csv(index=False, float_format="%.6f", lineterminator="\n")
    return csv
