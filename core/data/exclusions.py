"""Patches that somebody decided to leave out: a CSV with the columns ``id`` and ``reason``.

It lies beside the pack of its data set (see :func:`core.data.pack.pack_folder`). Whatever opens the data set obeys it:
pages, commands and training.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from core import atomic
from core.data.dataset import Dataset, Problem
from core.data.pack import pack_folder
from core.data.store import RowStore
from core.errors import DataError


def exclusions_path(source: str) -> Path:
    """Return where the exclusions of a data set are or will be."""
    return pack_folder(source) / "exclusions.csv"


def read_exclusions(path: Path) -> dict[str, str]:
    """Return id -> reason; none if the file is not there.

    Raises:
        DataError: it is no CSV with a column ``id``.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            if "id" not in (rows.fieldnames or ()):
                raise DataError(f"{path} needs a column id; found {', '.join(rows.fieldnames or ()) or 'nothing'}.")
            return {row["id"].strip(): (row.get("reason") or "").strip() for row in rows if (row["id"] or "").strip()}
    except FileNotFoundError:
        return {}
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is no readable CSV file: {error}. Correct it, or delete it to exclude none."
        ) from error


def add_exclusions(source: str, ids: Iterable[str], reason: str) -> None:
    """Leave patches out from now on. Raises :class:`DataError` or :class:`StorageError`."""
    path = exclusions_path(source)
    _write(path, {**read_exclusions(path), **dict.fromkeys(ids, reason)})


def remove_exclusions(source: str, ids: Iterable[str]) -> None:
    """Take patches in again. Raises :class:`DataError` or :class:`StorageError`."""
    path, gone = exclusions_path(source), set(ids)
    _write(path, {patch_id: reason for patch_id, reason in read_exclusions(path).items() if patch_id not in gone})


def without(dataset: Dataset, excluded: Mapping[str, str]) -> Dataset:
    """Return the data set without some patches, which are listed in its ``problems``.

    Raises:
        DataError: nothing is left.
    """
    out = dataset.table["id"].isin(list(excluded)).to_numpy()
    if not out.any():
        return dataset
    rows = np.flatnonzero(~out)
    if not len(rows):
        raise DataError(f"All {len(dataset)} patches of {dataset.name} are excluded; take some of them in again.")
    names = dataset.table["id"][out]
    return replace(
        dataset,
        table=dataset.table.iloc[rows].reset_index(drop=True),
        store=RowStore(dataset.store, rows),
        masks=None if dataset.masks is None else dataset.masks[rows],
        problems=(*dataset.problems, *(Problem(name, f"excluded: {excluded[name] or 'no reason'}") for name in names)),
    )


def _write(path: Path, excluded: Mapping[str, str]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["id", "reason"])
    writer.writerows(sorted(excluded.items()))
    atomic.write_text(path, buffer.getvalue())
