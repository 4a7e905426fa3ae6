"""The patch table of a pack, stored beside it so that opening reads neither the labels nor the state of every file.

``table.npz`` holds the rows, what was excluded, and the two values that say what it belongs to: the quick stamp of the
folder just before it was read, and the key of the pack.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.data.dataset import GROUPS, Dataset, Problem
from core.storage.npz import save_arrays, stored_arrays

VERSION = 2
"""Raise it when a folder's patches or problems come out otherwise; its labels and files are then looked at again."""
NAME = "table.npz"


@dataclass(frozen=True)
class StoredTable:
    """What was stored of a data set.

    Attributes:
        table: as in :class:`core.data.Dataset`.
        problems: what was excluded when its folder was read.
        files: the digest of its files at that time.
        key: of the pack that it belongs to.
    """

    table: pd.DataFrame
    problems: tuple[Problem, ...]
    files: str
    key: str


def save_table(folder: Path, dataset: Dataset, key: str) -> None:
    """Store the table of a data set beside its pack. Raises :class:`StorageError`."""
    table = dataset.table
    about = {
        "version": VERSION,
        "glance": dataset.quick_stamp,
        "files": dataset.files,
        "key": key,
        "problems": [(each.name, each.reason, each.kind, each.patches) for each in dataset.problems],
    }
    splits = table["split"].astype("category").cat
    groups = {name: table[name].astype("category").cat for name in GROUPS}
    save_arrays(
        folder / NAME,
        about,
        ids=_packed(table["id"].to_list()),
        label=table["label"].fillna(-1).to_numpy(np.int8),
        splits=_packed(splits.categories.to_list()),
        split=splits.codes.to_numpy(np.int16),
        **{f"{name}s": _packed(group.categories.to_list()) for name, group in groups.items()},
        **{name: group.codes.to_numpy(np.int32) for name, group in groups.items()},
    )


def load_table(folder: Path, quick_stamp: str) -> StoredTable | None:
    """Return the stored table, or None if there is none or it is of a folder with another quick stamp.

    Raises:
        DataError: it is damaged.
    """
    current = {"version": VERSION, "glance": quick_stamp}
    with stored_arrays(folder / NAME, remedy="Delete it; it is made again.", only=current) as stored:
        if stored is None:
            return None
        about, file = stored
        label = file["label"]
        if any(codes.dtype.kind != "i" or codes.shape != label.shape for codes in (label, file["split"])):
            raise ValueError("labels or splits are no numbers, or not of all patches")
        table = pd.DataFrame(
            {
                "id": pd.array(_texts(file["ids"]), dtype="string"),
                "label": pd.arrays.IntegerArray(np.maximum(label, np.int8(0)), label < 0),
                "split": pd.Categorical.from_codes(file["split"], _texts(file["splits"])),
            }
            | {name: _group(file, name, len(label)) for name in GROUPS}
        )
    problems = tuple(Problem(*values) for values in about["problems"])
    return StoredTable(table, problems, about["files"], about["key"])


def _group(file: Mapping[str, np.ndarray], name: str, count: int) -> pd.api.extensions.ExtensionArray:
    """Return the slide (patient, centre) of each patch; a table of an earlier version knows slides only."""
    if name not in file and name != "slide":
        return pd.array([None] * count, dtype="string")
    names, codes = _texts(file[f"{name}s"]), file[name]
    if codes.dtype.kind != "i" or codes.shape != (count,):
        raise ValueError(f"the {name}s are no numbers, or not of all patches")
    if len(codes) and not -1 <= int(codes.min()) <= int(codes.max()) < max(len(names), 1):
        raise ValueError(f"a patch is of a {name} that has no name")
    # Missing for a code of -1; taking by codes is quicker than one text a row.
    return pd.array(names, dtype="string").take(codes, allow_fill=True)


def drop_table(folder: Path) -> None:
    """Delete the stored table, if there is one: the files are no longer those of the pack."""
    (folder / NAME).unlink(missing_ok=True)


def _packed(texts: list[str]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(json.dumps(texts).encode(), np.uint8)


def _texts(stored: npt.NDArray[np.uint8]) -> list[str]:
    texts: list[str] = json.loads(stored.tobytes())
    return texts
