"""Labels that are probably wrong, ranked from out-of-fold probabilities, and kept beside the check of their data set.

The probabilities come from a linear probe on a network's features (:func:`probe`), or from a cross-validation (see
:func:`core.studies.label_errors.of_study`). One ``errors-<key>.npz`` for each source lies in the data set's folder
(:func:`core.data.pack_folder`). It holds ids and the labels as they were, so that later decisions do not change the
ranking.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.bundle.bundle import Bundle
from core.data import Dataset, pack_folder
from core.data.store import why_unreadable
from core.errors import DataError
from core.evaluation.label_errors import LabelErrors, find_label_errors
from core.evaluation.probe import cross_probabilities
from core.prediction.features import read_late_features
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress, within
from core.storage.npz import checked, save_arrays, stored_arrays
from core.storage.record import typed
from core.storage.spreadsheet import table_csv

VERSION = 1
IMAGENET_KEY = "probe-imagenet"


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """The labelled patches of a data set, with an out-of-fold probability of tumour for each.

    Attributes:
        ids: of the patches (n,).
        labels: int64 (n,), as they were when the ranking was made.
        probabilities: float64 (n,), of tumour, by a model that has not seen that label.
        folds: int64 (n,), in which fold a patch was held out.
        description: where the probabilities come from.
        fingerprint: of the data set when the ranking was made.
    """

    ids: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    folds: npt.NDArray[np.int64]
    description: str
    fingerprint: str

    @cached_property
    def found(self) -> LabelErrors:
        """What confident learning finds in them."""
        return find_label_errors(self.labels, self.probabilities)

    def table(self) -> pd.DataFrame:
        """Return one row a patch, most probable errors first: rank, id, label, probability, quality, suspect, fold."""
        order, found = self.found.order, self.found
        return pd.DataFrame(
            {
                "rank": np.arange(1, len(order) + 1),
                "id": np.array(self.ids, dtype=object)[order],
                "label": self.labels[order],
                "probability": self.probabilities[order],
                "quality": found.quality[order],
                "suspect": found.suspect[order],
                "fold": self.folds[order],
            }
        )

    def to_csv(self) -> str:
        """Return the table as CSV, the most probable errors first."""
        return table_csv(self.table().astype({"suspect": int}).round(6))


def probe_key(bundle: Bundle) -> str:
    """Return the key under which the ranking by a probe on a bundle's features is stored."""
    return f"probe-{bundle.digest}"


def has_learnt(bundle: Bundle, dataset: Dataset) -> bool:
    """Whether the bundle's card names data of this kind: it may have learnt the errors of their labels."""
    return any(source.get("kind") == dataset.kind for source in bundle.card.training.get("data", []))


def probe(predictor: Predictor, dataset: Dataset, *, features: str, progress: Progress = no_progress) -> LabelIssues:
    """Rank the labelled patches by a cross-validated linear probe on the features of a network.

    Slides stay together in a fold where they are known. `features` says in the description where they come from.

    Raises:
        DataError: no patch has a label.
        EvaluationError: there are too few patches or slides.
    """
    rows = np.flatnonzero(dataset.table["label"].notna().to_numpy(bool)).astype(np.int64)
    if not len(rows):
        raise DataError(f"No patch of {dataset.name} has a label, so there is nothing to rank.")
    # Reading features takes nearly all of the time; the probe itself is a few logistic regressions.
    labelled = rows
    rows, values = read_late_features(predictor, dataset, labelled, progress=within(progress, 0.0, 0.9))
    if not len(rows):
        why = why_unreadable(dataset.store, labelled)
        raise DataError(f"None of the {len(labelled):,} labelled patches of {dataset.name} can be read. {why}")
    labels, groups = dataset.labels(rows), dataset.units(rows)
    probabilities, folds = cross_probabilities(values, labels, groups=groups, progress=within(progress, 0.9, 1.0))
    by = "by patch, because slides are unknown" if groups is None else f"by {dataset.unit}"
    text = f"linear probe on {features}, {int(folds.max()) + 1} folds {by}"
    ids = tuple(dataset.table["id"].iloc[rows])
    return LabelIssues(ids, labels, probabilities, folds, text, dataset.fingerprint())


def label_issues_path(source: str, key: str) -> Path:
    """Return where a ranking is or will be."""
    return pack_folder(source) / f"errors-{key}.npz"


def save_label_issues(label_issues: LabelIssues, dataset: Dataset, key: str) -> None:
    """Store a ranking beside the check of its data set. Raises :class:`StorageError`."""
    about = {
        "version": VERSION,
        "files": dataset.files,
        "words": label_issues.description,
        "fingerprint": label_issues.fingerprint,
        "ids": label_issues.ids,
    }
    save_arrays(
        label_issues_path(dataset.source, key), about,
        labels=label_issues.labels, probabilities=label_issues.probabilities, folds=label_issues.folds,
    )  # fmt: skip


def load_label_issues(dataset: Dataset, key: str) -> LabelIssues | None:
    """Return a stored ranking, or None if there is none of the files as they are now.

    Raises:
        DataError: it is damaged.
    """
    path, current = label_issues_path(dataset.source, key), {"version": VERSION, "files": dataset.files}
    with stored_arrays(path, remedy="Delete it and rank again.", only=current) as stored:
        if stored is None:
            return None
        about, file = stored
        ids = typed(tuple[str, ...], about["ids"], "ids")
        return LabelIssues(
            ids,
            checked(file["labels"], "iu", len(ids)),
            checked(file["probabilities"], "f", len(ids)),
            checked(file["folds"], "iu", len(ids)),
            str(about["words"]),
            str(about["fingerprint"]),
        )
