"""Kaggle's folder: train/ID.tif with train_labels.csv, and test/ID.tif without labels."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from core.data.csv_file import read_csv
from core.data.dataset import Dataset, Problem, make_table
from core.data.image_files import ImageFiles, find_images
from core.data.matching import Matcher, folders_of, key_of
from core.data.picture_store import FileStore
from core.data.readers.protocol import NO, SURE, Given, Listing, Watched
from core.data.readers.tables import known_columns
from core.errors import DataError

NAME = "kaggle"
EXAMPLE = "train_labels.csv beside train/ID.tif"
LABELS_FILE = "train_labels.csv"
SLIDES_FILE = "patch_id_wsi_full.csv"

KNOWN_BAD = {
    "dd6dfed324f9fcb6f93f46f32fc800f2ec196be2": "known to be broken (overexposed)",
    "9369c7278ec8bcc6c880d99194de09fc2bd4efbe": "known to be black",
}
"""Patches of the competition that carry no tissue; excluded when a folder is opened."""


def recognises(_path: Path, names: Collection[str]) -> int:
    """Whether it is Kaggle's folder."""
    return SURE if LABELS_FILE in names else NO


def watched(_given: Given) -> Watched:
    """Return what tells of changes."""
    return Watched(("train", "test"), (LABELS_FILE, SLIDES_FILE))


def read(given: Given) -> Listing:
    """List a folder in the layout of Kaggle's "Histopathologic Cancer Detection".

    Labelled patches have split "train", those of ``test/`` have split "test" and no label. Slides come from a ``slide``
    or ``wsi`` column of the labels, or from ``patch_id_wsi_full.csv`` beside them, patients and centres from columns.
    What cannot be used is excluded and listed in ``problems``: labels without a file, files without a label, labels
    that are not 0 or 1, ids with different labels, second files of an id, images in sub-folders. An id may end in the
    suffix of a file, carry a path or differ from its file in upper and lower case, see :mod:`core.data.matching`.

    Raises:
        DataError: no labels file, a column is missing, no label is 0 or 1, or no file is there.
    """
    folder = given.folder
    problems: list[Problem] = []
    labels = _read_labels(folder / LABELS_FILE, problems)
    named = [*labels["id"], *(problem.name for problem in problems)]
    train, test = find_images(folder / "train", problems), find_images(folder / "test", problems)
    matcher = Matcher(train, name="train", elsewhere=test)
    labels = _without_repeats(_matched(labels, matcher, train.refused, problems), problems)
    problems += [
        Problem(patch_id, f"excluded: {why}", kind="known to be bad")
        for patch_id, why in KNOWN_BAD.items()
        if patch_id in train.taken
    ]
    labels = labels[~labels["id"].isin(list(KNOWN_BAD))]
    problems += [*_unlabelled(train, named, matcher), *_nested(train, "train", named), *_nested(test, "test", ())]
    for patch_id in sorted(set(labels["id"]) & test.taken.keys()):
        problems.append(Problem(patch_id, "excluded from test/: train/ holds a labelled patch of this id", patches=0))
        del test.taken[patch_id]
    if not len(labels) and not test.taken:
        cause = Dataset(folder.name, "", "kaggle", make_table([], split=""), FileStore([]), tuple(problems)).left_out()
        raise DataError(
            f"{folder} holds no patch that its labels name. Expected train/ID.tif for the ids of {LABELS_FILE}, or "
            f"test/ID.tif. {cause or 'Unpack the archive of the competition there.'}"
        )
    named_columns = known_columns(labels.columns)
    groups: dict[str, Any] = {
        f"{group}s": [value or None for value in labels[named_columns[group]]]
        for group in ("patient", "centre")
        if group in named_columns
    }
    table = pd.concat(
        [
            make_table(labels["id"], labels=labels["label"], split="train", slides=_slides(folder, labels), **groups),
            make_table(list(test.taken), split="test"),
        ],
        ignore_index=True,
    )
    table["split"] = table["split"].astype("category")
    paths = [train.taken[patch_id] for patch_id in labels["id"].tolist()] + list(test.taken.values())
    return Listing(table, FileStore(paths), tuple(problems))


def _read_labels(path: Path, problems: list[Problem]) -> pd.DataFrame:
    """Return the lines with a usable label, by line number, with the label as 0 or 1; the rest goes to `problems`."""
    table = read_csv(path, required=("id", "label"))
    # Numbers as spreadsheets and notebooks write them: 1.0, or 1,0 beside semicolons.
    numbers = pd.to_numeric(table["label"].str.replace(",", "."), errors="coerce")
    wrong = table[~numbers.isin([0, 1])]
    if len(wrong) and len(wrong) == len(table):
        first = wrong.iloc[0]
        raise DataError(
            f"{path.name}: labels must be 0 or 1, got '{first['label']}' for {first['id']} in line {wrong.index[0]}. "
            "Write 1 for tumour and 0 for normal."
        )
    for line, row in wrong.iterrows():
        got = f"'{row['label']}' in line {line} of {path.name}"
        reason = f"excluded: its label must be 0 or 1, got {got}"
        problems.append(Problem(row["id"], reason, kind="with a label other than 0 and 1"))
    return table.assign(label=numbers).drop(wrong.index).astype({"label": "int8"})


def _matched(table: pd.DataFrame, matcher: Matcher, refused: Iterable[str], problems: list[Problem]) -> pd.DataFrame:
    """Return the rows whose id means a file, with that file's id; the rest goes to `problems`."""
    given = table["id"].to_list()
    meant = pd.Series([matcher.find(each) for each in given], index=table.index, dtype="str")
    missing = table["id"][meant == ""].drop_duplicates()
    known, hint = {key_of(each) for each in refused}, matcher.hint() if len(missing) and not (meant != "").any() else ""
    for patch_id in missing:
        if key_of(patch_id) not in known:  # what is wrong with its file was said where it was found
            reason = f"in {LABELS_FILE}, but {matcher.why_none(patch_id)}{hint}"
            problems.append(Problem(patch_id or "an empty id", reason, kind="without a file"))
    return table.assign(given=table["id"], id=meant)[meant != ""]


def _without_repeats(table: pd.DataFrame, problems: list[Problem]) -> pd.DataFrame:
    """Return one row for each id; what differs between rows of one goes to `problems`."""
    repeated = table[table["id"].duplicated(keep=False)]
    # Not as a table for each id, and not dropped one by one: a file that was pasted twice would take hours.
    labels, given, dropped = repeated["label"].to_dict(), repeated["given"].to_dict(), list[int]()
    for patch_id, numbers in repeated.groupby("id").groups.items():
        lines = f"lines {', '.join(map(str, numbers))} of {LABELS_FILE}"
        if len({labels[line] for line in numbers}) > 1:
            why = f"excluded: {lines} give different labels"
            problems.append(Problem(str(patch_id), why, kind="with two labels"))
            dropped.extend(numbers)
        elif len(folders_of(given[line] for line in numbers)) > 1:
            why = f"excluded: {lines} name files of this name in different folders"
            problems.append(Problem(str(patch_id), why, kind="of several files of one name"))
            dropped.extend(numbers)
        else:
            problems.append(Problem(str(patch_id), f"stands in {lines}; it is used once", patches=0))
            dropped.extend(numbers[1:])
    return table.drop(dropped)


def _unlabelled(files: ImageFiles, named: Iterable[str], matcher: Matcher) -> list[Problem]:
    """Return a problem for each file of train/, or of a sub-folder, that no line of the labels means."""
    labelled = {matcher.find(each) or each for each in named}
    found = [
        Problem(patch_id, f"in train/, but not in {LABELS_FILE}", kind="without a label")
        for patch_id in files.taken.keys() - labelled
    ]
    return sorted(found, key=lambda problem: problem.name)


def _nested(files: ImageFiles, part: str, named: Iterable[str]) -> list[Problem]:
    """Return a problem for each image in a sub-folder that the labels do not name: those they name have one."""
    keys = {key_of(each) for each in named}
    return [
        Problem(f"{part}/{path}", f"lies in a sub-folder, and only {part}/ itself is read. Move it there",
                kind=f"in sub-folders of {part}/")
        for stem, path in files.nested.items() if key_of(stem) not in keys
    ]  # fmt: skip


def _slides(folder: Path, labels: pd.DataFrame) -> list[str | None] | None:
    for column in ("slide", "wsi"):
        if column in labels.columns:
            return [value or None for value in labels[column]]
    path = folder / SLIDES_FILE
    if not path.is_file():
        return None
    table = read_csv(path, required=("id", "wsi"))
    slides = table.groupby("id")["wsi"].nunique()
    if (slides > 1).any():
        raise DataError(
            f"{path.name}: {int((slides > 1).sum())} ids lie on more than one slide, such as {slides.idxmax()}. Keep "
            "one line for each id."
        )
    known = dict(zip(table["id"], table["wsi"], strict=True))
    if known.keys() >= set(labels["id"]):
        return [known[patch_id] or None for patch_id in labels["id"]]
    # The ids of another table may be written in another way, as those of the labels may.
    by_key = {key_of(patch_id): slide for patch_id, slide in known.items()}
    return [known.get(patch_id) or by_key.get(key_of(patch_id)) or None for patch_id in labels["id"]]
