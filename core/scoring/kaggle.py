"""Kaggle's submission.csv: the ids and the order of sample_submission.csv, with a probability for each."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from core.errors import DataError

COLUMNS = ("id", "label")
SHOWN = 3


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
        DataError: a probability is missing or one too many; the message says how many and which.
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
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((name, repr(probabilities[name])) for name in ids)
    return buffer.getvalue()


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN])
