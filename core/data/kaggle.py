"""Kaggle's folder: train/ID.tif with train_labels.csv, and test/ID.tif without labels."""

import csv
import os
from pathlib import Path

import pandas as pd

from core.data.dataset import Dataset, Problem, make_table
from core.data.listing import digest_of, quick_stamp_of
from core.data.store import FileStore
from core.errors import DataError

LABELS_FILE = "train_labels.csv"
SLIDES_FILE = "patch_id_wsi_full.csv"
SUFFIXES = (".tif", ".tiff", ".png")

KNOWN_BAD = {
    "dd6dfed324f9fcb6f93f46f32fc800f2ec196be2": "known to be broken (overexposed)",
    "9369c7278ec8bcc6c880d99194de09fc2bd4efbe": "known to be black",
}
"""Patches of the competition that carry no tissue; excluded when a folder is opened."""


def open_kaggle(folder: Path) -> Dataset:
    """Open a folder in the layout of Kaggle's "Histopathologic Cancer Detection".

    Labelled patches have split "train", those of ``test/`` have split "test" and no label. Slides come from a ``slide``
    or ``wsi`` column of the labels, or from ``patch_id_wsi_full.csv`` beside them. What cannot be used is excluded and
    listed in ``problems``: labels without a file, files without a label, labels that are not 0 or 1, ids with
    different labels, second files of an id.

    Raises:
        DataError: no labels file, a column is missing, no label is 0 or 1, or no file is there.
    """
    stamp = quick_stamp(folder)
    problems: list[Problem] = []
    labels, named = _read_labels(folder / LABELS_FILE, problems)
    train_files, test_files = _files(folder / "train", problems), _files(folder / "test", problems)
    problems += [
        Problem(patch_id, f"excluded: {why}") for patch_id, why in KNOWN_BAD.items() if patch_id in train_files
    ]
    problems += _unmatched(set(labels["id"]), set(train_files), named)
    labels = labels[labels["id"].isin(train_files.keys() - KNOWN_BAD.keys())]
    for patch_id in sorted(set(labels["id"]) & test_files.keys()):
        problems.append(Problem(patch_id, "excluded from test/: train/ holds a labelled patch of this id"))
        del test_files[patch_id]
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
        quick_stamp=stamp,
    )


def files_digest(folder: Path) -> str:
    """Return what stands for the image files as they are now, see :func:`core.data.listing.digest_of`."""
    return digest_of(folder, ("train", "test"))


def quick_stamp(folder: Path) -> str:
    """Return what stands for the folder without every file's state, see :func:`core.data.listing.quick_stamp_of`."""
    return quick_stamp_of(folder, tracked=("train", "test"), read=(LABELS_FILE, SLIDES_FILE))


def _read_labels(path: Path, problems: list[Problem]) -> tuple[pd.DataFrame, set[str]]:
    """Return one row for each id with a usable label, and all ids of the file; the rest goes to `problems`."""
    table = _read_csv(path, required=("id", "label"))
    named = set(table["id"])
    wrong = table[~table["label"].isin(["0", "1"])]
    if len(wrong) and len(wrong) == len(table):
        first = wrong.iloc[0]
        raise DataError(
            f"{path.name}: labels must be 0 or 1, got '{first['label']}' for {first['id']} in line {wrong.index[0]}. "
            "Write 1 for tumour and 0 for normal."
        )
    for line, row in wrong.iterrows():
        got = f"'{row['label']}' in line {line} of {path.name}"
        problems.append(Problem(row["id"], f"excluded: its label must be 0 or 1, got {got}"))
    table = table.drop(wrong.index)
    repeated = table[table["id"].duplicated(keep=False)]
    for patch_id, rows in repeated.groupby("id"):
        lines = ", ".join(map(str, rows.index))
        if rows["label"].nunique() > 1:
            problems.append(Problem(str(patch_id), f"excluded: lines {lines} of {path.name} give different labels"))
            table = table.drop(rows.index)
        else:
            problems.append(Problem(str(patch_id), f"stands in lines {lines} of {path.name}; it is used once"))
            table = table.drop(rows.index[1:])
    return table.astype({"label": "int8"}), named


def _read_csv(path: Path, *, required: tuple[str, ...]) -> pd.DataFrame:
    """Return the cells as text without blanks around it, indexed by line number; empty lines are skipped."""
    rows, lines = [], []  # by the csv module and not by pandas, whose errors do not name the line of a file
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = [name.strip() for name in next(reader, [])]
            missing = [name for name in required if name not in columns]
            if missing:
                got = ", ".join(columns) or "an empty file"
                raise DataError(f"{path.name} needs the columns {', '.join(required)}, got {got}.")
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


def _files(folder: Path, problems: list[Problem]) -> dict[str, str]:
    """Return id -> path for the images of `folder`, sorted by id; none if the folder is not there.

    Paths are text: 220,025 objects of type Path would take longer than reading the folder. Of several files of one id
    the first by :data:`SUFFIXES` is taken; the others go to `problems`.
    """
    try:
        with os.scandir(folder) as entries:
            # Sorted, because the order of rows must not depend on the file system.
            names = sorted(entry.name for entry in entries if entry.name.lower().endswith(SUFFIXES))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}. Check its permissions.") from error
    place, found = os.path.join(folder, ""), dict[str, str]()
    for name in names:
        patch_id, suffix = os.path.splitext(name)
        if name.startswith("."):
            continue
        other = found.get(patch_id)
        if other is not None:
            taken, left = (other, name) if _rank(other) <= _rank(suffix) else (name, os.path.basename(other))
            problems.append(Problem(patch_id, f"{folder.name}/{left} is excluded: {os.path.basename(taken)} is used"))
            if taken == other:
                continue
        found[patch_id] = place + name
    return found


def _rank(name: str) -> int:
    return SUFFIXES.index(os.path.splitext("x" + name)[1].lower())


def _unmatched(labelled: set[str], files: set[str], named: set[str]) -> list[Problem]:
    without_file = [
        Problem(name, f"in {LABELS_FILE}, but there is no such file in train/") for name in labelled - files
    ]
    without_label = [Problem(name, f"in train/, but not in {LABELS_FILE}") for name in files - named]
    return sorted(without_file + without_label, key=lambda problem: problem.name)


def _slides(folder: Path, labels: pd.DataFrame) -> list[str | None] | None:
    for column in ("slide", "wsi"):
        if column in labels.columns:
            return [value or None for value in labels[column]]
    path = folder / SLIDES_FILE
    if not path.is_file():
        return None
    table = _read_csv(path, required=("id", "wsi"))
    slides = table.groupby("id")["wsi"].nunique()
    if (slides > 1).any():
        raise DataError(
            f"{path.name}: {int((slides > 1).sum())} ids lie on more than one slide, such as {slides.idxmax()}. Keep "
            "one line for each id."
        )
    known = dict(zip(table["id"], table["wsi"], strict=True))
    return [known.get(patch_id) or None for patch_id in labels["id"]]
