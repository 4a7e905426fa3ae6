"""Predictions on disk: made once for a bundle, a data set and a part, and read by everything that measures them.

One ``.npz`` file, replaced atomically, at ``scores/<bundle digest>/<data fingerprint>-<part>.npz`` under
:func:`core.home.home`. It holds the ids of the patches, not their row numbers, so that it fits the same data set in
another folder or order; labels, slides and calibration come from data set and bundle when it is read.
"""

import csv
import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core import atomic
from core.data import CLASS_NAMES, Dataset
from core.data.store import Progress
from core.errors import DataError, StorageError
from core.home import home
from core.prediction.bundle import Bundle
from core.prediction.looks import Looks
from core.prediction.predictor import Predictor
from core.prediction.score import Scored, assemble, score, select

VERSION = 2


def scores_path(bundle: Bundle, dataset: Dataset, part: str) -> Path:
    """Return where the predictions are or will be."""
    return home() / "scores" / bundle.digest / f"{dataset.fingerprint()}-{part}.npz"


def save_scores(scored: Scored, bundle: Bundle, dataset: Dataset, part: str) -> Path:
    """Store predictions atomically and return where. Raises :class:`StorageError`."""
    path = scores_path(bundle, dataset, part)
    about = {
        "version": VERSION,
        "bundle": bundle.card.name,
        "digest": bundle.digest,
        "data": dataset.name,
        "fingerprint": dataset.fingerprint(),
        "stamp": dataset.stamp(),
        "part": scored.part,
        "unreadable": scored.unreadable,
        "device": scored.device,
        "time": time.time(),
    }
    ids = dataset.table["id"].to_numpy(dtype=object)[scored.rows]
    arrays: dict[str, Any] = {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
        "ids": np.frombuffer("\n".join(ids).encode(), np.uint8),
        "logits": scored.logits.astype(np.float32),
    }
    if scored.looks is not None:
        arrays["looks"] = scored.looks.values
    with atomic.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    return path


def load_scores(bundle: Bundle, dataset: Dataset, part: str) -> Scored | None:
    """Return stored predictions, or None if there are none for the patches that the part has now and as they are.

    Raises:
        DataError: the file is damaged.
    """
    path = scores_path(bundle, dataset, part)
    if not path.is_file():
        return None
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            about = json.loads(file["about"].tobytes())
            ids = file["ids"].tobytes().decode().split("\n")
            logits = file["logits"]
            looks = Looks(file["looks"]) if "looks" in file else None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"The stored predictions {path} are damaged ({error}). Delete the file and evaluate again."
        ) from error
    wanted, words = select(bundle, dataset, part)
    position = pd.Index(dataset.table["id"]).get_indexer(ids)
    known = np.isin(position, wanted).all() and len(ids) == len(logits)
    current = about.get("version") == VERSION and about.get("stamp") == dataset.stamp()
    if not current or not known or len(ids) + int(about["unreadable"]) != len(wanted):
        return None
    return assemble(
        bundle,
        dataset,
        position.astype(np.int64),
        logits,
        part=words,
        unreadable=int(about["unreadable"]),
        looks=looks,
        device=str(about["device"]),
    )


def stored_or_scored(predictor: Predictor, dataset: Dataset, part: str, *, progress: Progress | None = None) -> Scored:
    """Return the stored predictions, or make and store them.

    Raises:
        DataError: the part holds no labelled patch, or the stored file is damaged.
        StorageError: they cannot be stored.
    """
    found = load_scores(predictor.bundle, dataset, part)
    if found is None:
        found = score(predictor, dataset, part=part, progress=progress)
        save_scores(found, predictor.bundle, dataset, part)
    return found


def forget_scores(bundle: Bundle, dataset: Dataset, part: str) -> None:
    """Delete stored predictions, if there are any. Raises :class:`StorageError`."""
    path = scores_path(bundle, dataset, part)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path} cannot be deleted: {error.strerror}.") from error


def scores_csv(scored: Scored, dataset: Dataset, threshold: float) -> str:
    """Return the predictions as CSV, one row a patch, in the data set's order.

    Text that a spreadsheet would take for a formula is led by an apostrophe.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["id", "slide", "label", "verdict", "probability", "logit"])
    ids = dataset.table["id"].to_numpy(dtype=object)[scored.rows]
    slides = scored.slides if scored.slides is not None else np.full(len(scored.rows), "")
    for row in np.argsort(scored.rows, kind="stable"):
        writer.writerow(
            [
                _plain(str(ids[row])),
                _plain(str(slides[row])),
                CLASS_NAMES[int(scored.labels[row])],
                CLASS_NAMES[int(scored.probabilities[row] >= threshold)],
                f"{scored.probabilities[row]:.6f}",
                f"{scored.logits[row]:.6f}",
            ]
        )
    return buffer.getvalue()


def _plain(text: str) -> str:
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
