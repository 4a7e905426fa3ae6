"""What Kaggle's competition wants: a checked submission for the patches that have no label."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.data import Dataset
from core.errors import DataError
from core.prediction.ensemble import Ensemble
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress
from core.scoring.chunks import ChunkCache
from core.scoring.kaggle import read_sample, to_submission

CHUNK = 512
SAMPLE = "sample_submission.csv"


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

    Args:
        predictor: a bundle, or several as one.
        dataset: such as Kaggle's folder, whose `test/` has no labels.
        keep: where finished chunks are kept, and taken from where an earlier attempt left them.
        progress: told the finished share; what it raises ends the work, which is the way to cancel.

    Raises:
        DataError: every patch has a label, or what was kept is damaged.
        StorageError: a chunk cannot be kept.
    """
    rows = rows_of_test(dataset)
    if not len(rows):
        raise DataError(f"{dataset.name} has no patch without a label; a submission is about those of Kaggle's test/.")
    found, usable = np.empty(len(rows)), np.ones(len(rows), bool)
    for start in range(0, len(rows), CHUNK):
        chunk = slice(start, start + CHUNK)
        kept = None if keep is None else keep.arrays(start, len(rows[chunk]), ("probabilities", "usable"))
        if kept is None:
            kept = _chunk(predictor, dataset, rows[chunk])
            if keep is not None:
                keep.keep(start, probabilities=kept[0], usable=kept[1])
        found[chunk], usable[chunk] = kept
        progress(min(1.0, (start + CHUNK) / len(rows)))
    ids = dataset.table["id"].astype(str).to_numpy()[rows]
    why = dataset.store.load(rows[~usable]).unreadable if not usable.all() else {}
    return TestScores(
        dict(zip(ids[usable], found[usable].tolist(), strict=True)),
        {name: why.get(place, "it could not be read at first") for place, name in enumerate(ids[~usable])},
    )


def _chunk(
    predictor: Predictor | Ensemble, dataset: Dataset, rows: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.float64] | npt.NDArray[np.bool_]]:
    loaded = dataset.store.load(rows)
    usable = np.ones(len(rows), bool)
    usable[list(loaded.unreadable)] = False
    return [predictor.predict(loaded.pixels).probabilities, usable]


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
