"""A table (CSV or Parquet) that names image files: columns path, label, perhaps split, slide, patient, centre, mpp."""

import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.csv_file import read_csv
from core.data.picture_store import FileStore
from core.data.readers.folders import all_folders, unique_ids
from core.data.readers.locate import located
from core.data.readers.names import SPLIT_OF
from core.data.readers.protocol import LAST, NO, SURE, Given, Listing, Watched
from core.errors import ChoiceError, DataError, Problem

NAME = "table of files"
EXAMPLE = "labels.csv or .parquet with the columns path and label"

COLUMNS = {
    "path": ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "img_path",
             "image_name", "image_id", "patch", "tile", "id", "name"),
    "class": ("label", "class", "target", "tumor", "tumour", "category", "diagnosis", "class_name", "label_name",
              "majority_vote_label", "y"),
    "split": ("split", "part", "partition", "set", "subset"),
    "slide": ("slide", "slide_id", "wsi", "wsi_id"),
    "patient": ("patient", "patient_id", "case", "case_id"),
    "centre": ("centre", "center", "hospital", "site", "centre_id", "center_id"),
    "mpp": ("mpp", "um_per_px", "microns_per_pixel"),
}  # fmt: skip
"""Names of columns by what they hold, the usual ones first; in lower case, with "_" for blanks and hyphens."""

MOST = 20
"""Tables of a folder that are looked into."""


def recognises(path: Path, names: Collection[str]) -> int:
    """Whether it is a table that names files; of a folder, one with labels beside its files."""
    certain = NO
    for each in _tables(path, names):
        try:
            head = _head(each)
        except (DataError, OSError, pa.ArrowException):  # reading it says what is wrong, if it was meant
            continue
        known = known_columns(head.columns)
        if "path" in known and path.is_file():
            return SURE
        if {"path", "class"} <= known.keys() and len(head):
            try:
                located([str(head[known["path"]].iloc[0])], Given(each))
                return SURE
            except ChoiceError:
                certain = LAST
    return certain


def watched(given: Given) -> Watched:
    """Return the tables by their content, and all folders below and those elsewhere that they name."""
    tables = _tables(given.path, _names(given.path))
    outside = set() if given.root is None else {str(given.root / each) for each in all_folders(given.root)}
    for each in tables:
        with suppress(DataError, pa.ArrowException):  # reading it says what is wrong
            head = _head(each)
            path = known_columns(head.columns).get("path")
            if path and len(head) and os.path.isabs(str(head[path].iloc[0])):
                outside |= {os.path.dirname(name) for name in table_of(each)["path"].dropna()}
    elsewhere = sorted(each for each in outside if os.path.isdir(each))
    return Watched((*all_folders(given.folder), *elsewhere), tuple(each.name for each in tables))


def read(given: Given) -> Listing:
    """List the files that the tables name. Several tables (train.csv, test.csv) are one data set.

    Raises:
        DataError: none of the files is there, or a table cannot be read.
    """
    tables, problems = [], list[Problem]()
    for path in _tables(given.path, _names(given.path)):
        try:
            if len(table := table_of(path)):
                tables.append(table)
        except DataError as error:
            problems.append(Problem(path.name, f"excluded: {error}", "of a table that cannot be read", None))
    if not tables:
        raise DataError(problems[0].reason.removeprefix("excluded: ") if problems else f"{given.path} names no file.")
    return listing_of(pd.concat(tables, ignore_index=True), given, problems)


def table_of(path: Path) -> pd.DataFrame:
    """Return the known columns of a table as text under our names; the split may stand in its name (train.csv).

    Raises:
        DataError: it cannot be read, or has no column of files.
    """
    if path.suffix.lower() == ".parquet":
        try:
            table = pq.read_table(path, columns=_text_columns(path)).to_pandas()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path.name} is no readable Parquet file: {error}. Save it again.") from error
    else:
        table = read_csv(path)
    known = known_columns(table.columns)
    if "path" not in known:
        got = ", ".join(map(str, table.columns))
        raise DataError(f"{path.name} names no files; it needs a column path, got {got}.")
    found = text_of(table, known)
    if "split" not in found:
        found["split"] = next((split for word, split in SPLIT_OF.items() if word in path.stem.lower()), "train")
    return found


def text_of(table: pd.DataFrame, known: Mapping[str, str]) -> pd.DataFrame:
    """Return the known columns as text under our names, with our names of splits."""
    found = pd.DataFrame({ours: table[theirs] for ours, theirs in known.items()}, index=table.index).astype("str")
    found = found.mask(found.isin(["", "nan", "None", "<NA>"]))
    if "split" in found:
        found["split"] = found["split"].str.lower().map(SPLIT_OF).fillna("train")
    return found


def listing_of(table: pd.DataFrame, given: Given, problems: Iterable[Problem] = ()) -> Listing:
    """Return the rows whose column ``path`` means a file, and what is left out.

    Raises:
        DataError: none does.
    """
    paths, missing = located(table["path"].fillna("").to_list(), given)
    there = pd.Series(paths, index=table.index).ne("")
    table = table[there].reset_index(drop=True)
    files = [each for each in paths if each]
    names = pd.Series([os.path.splitext(os.path.basename(each))[0] for each in files], dtype="str")
    # The folder as the table has it: what lies above it differs from computer to computer.
    places = table["path"].str.replace("\\", "/").str.rpartition("/")[0].str.strip("/.").replace("", ".")
    listed = table.drop(columns="path").assign(id=unique_ids(names, places))
    return Listing(listed, FileStore(files), (*problems, *missing))


def _tables(path: Path, names: Collection[str]) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() in (".csv", ".tsv", ".parquet") else []
    return [path / name for name in sorted(names) if name.lower().endswith((".csv", ".tsv", ".parquet"))][:MOST]


def _names(path: Path) -> list[str]:
    return [] if path.is_file() else os.listdir(path)


def known_columns(columns: Iterable[str]) -> dict[str, str]:
    """Return the columns of a table by what they hold, see :data:`COLUMNS`."""
    plain = {str(name).strip().lower().replace(" ", "_").replace("-", "_"): name for name in columns}
    found = {ours: next((plain[each] for each in theirs if each in plain), None) for ours, theirs in COLUMNS.items()}
    return {ours: name for ours, name in found.items() if name is not None}


def _head(path: Path) -> pd.DataFrame:
    """Return the first row of a table. Raises DataError, OSError or ArrowException."""
    if path.suffix.lower() != ".parquet":
        return read_csv(path, most=1)
    first = next(pq.ParquetFile(path).iter_batches(1, columns=_text_columns(path)), None)
    return pd.DataFrame() if first is None else first.to_pandas()


def _text_columns(path: Path) -> list[str]:
    """Return the columns of a Parquet file but for nested ones, such as embedded images."""
    return [each.name for each in pq.read_schema(path) if not pa.types.is_nested(each.type)]
