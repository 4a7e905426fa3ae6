"""Kaggle's submission.csv: a probability for each patch without a label, ids and order as in sample_submission.csv."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.data import Dataset
from core.errors import DataError
from core.prediction.ensemble import Ensemble
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress
from core.scoring.chunks import ChunkCache, predict_rows
from core.storage.spreadsheet import lines_csv

SAMPLE = "sample_submission.csv"
COLUMNS = ("id", "label")
SHOWN = 3
"""Ids that an error names at most."""


@dataclass(frozen=True)
class TestScores:
    """Probabilities of the patches without a label.

    Attributes:
        probabilities: id to calibrated probability of tumour, in the data set's order.
        unreadable: id to the reason, of those that have none.
    """

    __test__ = False  # for pytest: it is no test

    probabilities: dict[str, float]
    unreadable: dict[str, str]


def rows_of_test(dataset: Dataset) -> npt.NDArray[np.int64]:
    """Return the row numbers of the patches without a label, (n,)."""
    return np.flatnonzero(dataset.table["label"].isna().to_numpy()).astype(np.int64)


def score_test(
    predictor: Predictor | Ensemble,
    dataset: Dataset,
    *,
    keep: ChunkCache | None = None,
    progress: Progress = no_progress,
) -> TestScores:
    """Predict all patches of a data set that have no label.

    Arguments are those of :func:`core.scoring.chunks.predict_rows`.

    Raises:
        DataError: every patch has a label, or what was kept is damaged.
        StorageError: a chunk cannot be kept.
    """
    rows = rows_of_test(dataset)
    if not len(rows):
        raise DataError(f"{dataset.name} has no patch without a label; a submission is about those of Kaggle's test/.")
    found = predict_rows(predictor, dataset, rows, value="probabilities", keep=keep, progress=progress)
    usable = found["usable"]
    ids = dataset.table["id"].astype(str).to_numpy()[rows]
    why = dataset.store.load(rows[~usable]).unreadable if not usable.all() else {}
    return TestScores(
        dict(zip(ids[usable], found["probabilities"][usable].tolist(), strict=True)),
        {name: why.get(place, "it could not be read at first") for place, name in enumerate(ids[~usable])},
    )


def submission(scores: TestScores, dataset: Dataset, *, sample: Path | None = None) -> str:
    """Return the text of submission.csv with exactly the wanted ids, in their order.

    Args:
        scores: what :func:`score_test` gave.
        dataset: the same.
        sample: the competition's sample_submission.csv; None takes the one in the data set's folder, and without one
            the ids of the patches without a label.

    Raises:
        DataError: an id has no probability, or the sample does not name one; the message says which.
    """
    beside = Path(dataset.source) / SAMPLE
    sample = beside if sample is None and beside.is_file() else sample
    if sample is not None:
        return to_submission(read_sample(sample), scores.probabilities)
    if scores.unreadable:
        name, reason = next(iter(scores.unreadable.items()))
        raise DataError(
            f"{len(scores.unreadable):,} test patches cannot be read, such as {name} ({reason}), and a submission "
            "needs all. Copy them again."
        )
    return to_submission(list(scores.probabilities), scores.probabilities)


def read_sample(path: Path) -> list[str]:
    """Return the ids of a sample submission, in order.

    Raises:
        DataError: the file cannot be read, lacks a column, holds no id or one twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = tuple(name.strip() for name in reader.fieldnames or ())
            reader.fieldnames = list(columns)
            ids = [(row.get("id") or "").strip() for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path.name} cannot be read ({error}); give the competition's sample_submission.csv."
        ) from error
    if columns != COLUMNS:
        raise DataError(f"{path.name} has the columns {', '.join(columns) or 'none'}; expected id, label.")
    empty = ids.count("")
    if not ids or empty:
        raise DataError(f"{path.name}: {f'{empty} lines have no id' if ids else 'there is no id'}; download it again.")
    seen: set[str] = set()
    repeated = [name for name in ids if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    if repeated:
        raise DataError(f"{path.name}: {len(repeated)} ids stand more than once, such as {repeated[0]}.")
    return ids


def to_submission(ids: list[str], probabilities: Mapping[str, float]) -> str:
    """Return the text of submission.csv: a line for each of `ids`, in their order.

    Args:
        ids: of the sample submission.
        probabilities: id -> calibrated probability of tumour; ids that the sample does not name are not allowed.

    Raises:
        DataError: a probability is missing, one too many, or no number from 0 to 1; the message says how many and
            which.
    """
    missing = [name for name in ids if name not in probabilities]
    if missing:
        raise DataError(
            f"{len(missing):,} of the {len(ids):,} ids of the sample submission have no prediction, such as "
            f"{_some(missing)}. Give the folder with all test patches."
        )
    known = set(ids)
    foreign = [name for name in probabilities if name not in known]
    if foreign:
        raise DataError(
            f"{len(foreign):,} predictions are of ids that the sample submission does not name, such as "
            f"{_some(foreign)}. Give the test patches only."
        )
    wrong = [name for name in ids if not 0 <= probabilities[name] <= 1]  # put this way round, NaN is one of them
    if wrong:
        raise DataError(
            f"{len(wrong):,} of the {len(ids):,} predictions are no probability from 0 to 1, such as that of "
            f"{_some(wrong)}. Delete the kept predictions and predict again."
        )
    return lines_csv([COLUMNS, *((name, repr(probabilities[name])) for name in ids)])


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN])
