"""Kaggle's folder: train/ID.tif with train_labels.csv, and test/ID.tif without labels."""

import csv
import os
from pathlib import Path

import pandas as pd

from core.data.dataset import Dataset, Problem, make_table
from core.data.listing import digest_of
from core.data.store import FileStore
from core.errors import DataError

LABELS_FILE = "train_labels.csv"
SLIDES_FILE = "patch_id_wsi_full.csv"
SUFFIXES = (".tif", ".tiff", ".png")

KNOWN_BAD = {
    "dd6dfed324f9fcb6f93f46f32fc800f2ec196be2": "known to be broken (overexposed)",
    "9369c7278ec8bcc6c880d99194de09fc2bd4efbe": "known to be black",
}
"""Patches of the competition that carry no tissue; left out when a folder is opened."""


def open_kaggle(folder: Path) -> Dataset:
    """Open a folder in the layout of Kaggle's "Histopathologic Cancer Detection".

    Labelled patches have split "train", those of ``test/`` have split "test" and no label. Slides come from a ``slide``
    or ``wsi`` column of the labels, or from ``patch_id_wsi_full.csv`` beside them. Labels without a file and files
    without a label are left out and listed in ``problems``.

    Raises:
        DataError: no labels file, a column is missing, a label is not 0 or 1, an id stands twice, or no file is there.
    """
    labels = _read_labels(folder / LABELS_FILE)
    train_files, test_files = _files(folder / "train"), _files(folder / "test")
    problems = [Problem(patch_id, f"left out: {why}") for patch_id, why in KNOWN_BAD.items() if patch_id in train_files]
    problems += _unmatched(set(labels["id"]), set(train_files))
    labels = labels[labels["id"].isin(train_files.keys() - KNOWN_BAD.keys())]
    if not len(labels) and not test_files:
        raise DataError(
            f"{folder} holds no patch that its labels name. Expected train/ID.tif for the ids of {LABELS_FILE}, or "
            "test/ID.tif; unpack the competition's archive there."
        )
    table = pd.concat(
        [
            make_table(labels["id"], labels=labels["label"], split="train", slides=_slides(folder, labels)),
            make_table(list(test_files), split="test"),
        ],
        ignore_index=True,
    )
    table["split"] = table["split"].astype("category")
    paths = [train_files[patch_id] for patch_id in labels["id"].tolist()] + list(test_files.values())
    return Dataset(
        folder.name,
        str(folder),
        "kaggle",
        table,
        FileStore(paths),
        tuple(problems),
        files=files_digest(folder),
    )


def files_digest(folder: Path) -> str:
    """Return what stands for the image files as they are now, see :func:`core.data.listing.digest_of`."""
    return digest_of(folder, ("train", "test"))


def _read_labels(path: Path) -> pd.DataFrame:
    table = _read_csv(path, required=("id", "label"))
    wrong = table[~table["label"].isin(["0", "1"])]
    if len(wrong):
        first = wrong.iloc[0]
        raise DataError(
            f"{path.name}: {len(wrong)} labels are neither 0 nor 1, such as '{first['label']}' for {first['id']} in "
            f"line {wrong.index[0]}. Correct or remove these lines."
        )
    repeated = table[table["id"].duplicated()]
    if len(repeated):
        raise DataError(
            f"{path.name}: {len(repeated)} ids stand more than once, such as {repeated.iloc[0]['id']} in line "
            f"{repeated.index[0]}. Keep one line for each id."
        )
    return table.astype({"label": "int8"})


def _read_csv(path: Path, *, required: tuple[str, ...]) -> pd.DataFrame:
    """Return the lines as text without blanks around it, indexed by line number; empty lines are passed over."""
    rows, lines = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = [name.strip() for name in next(reader, [])]
            missing = [name for name in required if name not in columns]
            if missing:
                found = ", ".join(columns) or "an empty file"
                raise DataError(f"{path.name} needs the columns {', '.join(required)}; found {found}.")
            for row in reader:
                if any(row):
                    rows.append(_fitted(path, row, columns, line=reader.line_num))
                    lines.append(reader.line_num)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} is no readable CSV file: {error}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    table = pd.DataFrame(rows, columns=columns, index=pd.Index(lines, dtype="int64"), dtype="str")
    return table.loc[:, ~table.columns.duplicated()]


def _fitted(path: Path, row: list[str], columns: list[str], *, line: int) -> list[str]:
    values = [value.strip() for value in row]
    if any(values[len(columns) :]):
        raise DataError(
            f"{path.name}: line {line} has {len(values)} values for {len(columns)} columns. Correct or remove it."
        )
    return (values + [""] * len(columns))[: len(columns)]


def _files(folder: Path) -> dict[str, str]:
    """Return id -> path for the images of `folder`, sorted by id; none if the folder is not there.

    Paths are text: 220,025 objects of type Path would take longer than reading the folder.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.lower().endswith(SUFFIXES))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}. Check its permissions.") from error
    place = os.path.join(folder, "")
    return {os.path.splitext(name)[0]: place + name for name in names if not name.startswith(".")}


def _unmatched(labelled: set[str], files: set[str]) -> list[Problem]:
    without_file = [
        Problem(name, f"in {LABELS_FILE}, but there is no such file in train/") for name in labelled - files
    ]
    without_label = [Problem(name, f"in train/, but not in {LABELS_FILE}") for name in files - labelled]
    return sorted(without_file + without_label, key=lambda problem: problem.name)


def _slides(folder: Path, labels: pd.DataFrame) -> list[str | None] | None:
    for column in ("slide", "wsi"):
        if column in labels.columns:
            return [value or None for value in labels[column]]
    path = folder / SLIDES_FILE
    if not path.is_file():
        return None
    table = _read_csv(path, required=("id", "wsi"))
    known = dict(zip(table["id"], table["wsi"], strict=True))
    return [known.get(patch_id) or None for patch_id in labels["id"]]
