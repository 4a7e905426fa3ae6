"""What Kaggle's competition wants: a checked submission for the patches that have no label."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.data import Dataset
from core.data.store import Progress
from core.errors import DataError
from core.prediction.ensemble import Ensemble
from core.prediction.predictor import Predictor
from core.prediction.submission import read_sample, to_submission

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


def score_test(predictor: Predictor | Ensemble, dataset: Dataset, *, progress: Progress | None = None) -> TestScores:
    """Predict all patches of a data set that have no label.

    Args:
        predictor: a bundle, or several as one.
        dataset: such as Kaggle's folder, whose `test/` has no labels.
        progress: told the finished share; what it raises ends the work, which is the way to cancel.

    Raises:
        DataError: every patch has a label.
    """
    rows = np.flatnonzero(dataset.table["label"].isna().to_numpy())
    if not len(rows):
        raise DataError(f"{dataset.name} has no patch without a label; a submission is about those of Kaggle's test/.")
    ids = dataset.table["id"].astype(str).to_numpy()[rows]
    probabilities: dict[str, float] = {}
    unreadable: dict[str, str] = {}
    for start in range(0, len(rows), CHUNK):
        chunk = slice(start, start + CHUNK)
        loaded = dataset.store.load(rows[chunk])
        found = predictor.predict(loaded.pixels).probabilities
        for position, (name, probability) in enumerate(zip(ids[chunk], found, strict=True)):
            if position in loaded.unreadable:
                unreadable[name] = loaded.unreadable[position]
            else:
                probabilities[name] = float(probability)
        if progress is not None:
            progress(min(1.0, (start + CHUNK) / len(rows)))
    return TestScores(probabilities, unreadable)


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
