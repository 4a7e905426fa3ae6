"""The check of a data set: measured once for every patch, stored beside its pack, and what follows from it.

``check.npz`` holds what was measured and the pairs of equal and nearly equal patches. Labels and split are not in it:
what contradicts and what leaks is concluded from them when it is read.
"""

import json
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from core import atomic
from core.data.dataset import Dataset
from core.data.duplicates import alike, candidates, describe, same
from core.data.open import open_dataset
from core.data.pack import find_pack, open_store, pack_folder
from core.data.quality import Measures, measure
from core.data.splits import assign, default_rule
from core.data.store import PatchStore, Progress
from core.errors import DataError

VERSION = 1
CHUNK = 256

FLAGS = {
    "unreadable": "could not be read, or is not 96×96 in 8-bit RGB",
    "black": "black",
    "blank": "shows next to nothing",
    "blurred": "without fine detail",
    "duplicate": "has the same pixels as another patch",
    "near duplicate": "is another patch turned, mirrored or saved again",
    "conflict": "a (near) duplicate has another label",
    "leak": "a (near) duplicate is in another part of the split",
}
"""What can be wrong with a patch, in words."""


@dataclass(frozen=True)
class Check:
    """What was measured of a data set.

    Attributes:
        ids: of all its patches, also of those that are excluded.
        measures: in the order of `ids`; of an unreadable patch they mean nothing.
        unreadable: position -> why.
        pairs: int64 M×2, positions of patches that are the same or nearly so.
        exact: bool (M,), which of the pairs have the same pixels.
    """

    ids: tuple[str, ...]
    measures: Measures
    unreadable: dict[int, str]
    pairs: npt.NDArray[np.int64]
    exact: npt.NDArray[np.bool_]


def check_path(source: str) -> Path:
    """Return where the check of a data set is or will be."""
    return pack_folder(source) / "check.npz"


def make_check(source: str, *, progress: Progress | None = None) -> Check:
    """Check all patches of a data set, also excluded ones, and store what was found.

    Raises:
        DataError: it cannot be opened.
        StorageError: the check cannot be stored.
    """
    dataset = open_dataset(source, raw=True)
    pack = find_pack(dataset)
    check = _check(dataset, dataset.store if pack is None else open_store(pack), progress)
    _save(check, dataset)
    return check


def load_check(dataset: Dataset) -> Check | None:
    """Return the stored check, or None if there is none of the files as they are now.

    Raises:
        DataError: it is damaged.
    """
    path = check_path(dataset.source)
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            about = json.loads(file["about"].tobytes())
            if (about["version"], about["files"]) != (VERSION, dataset.files):
                return None
            check = Check(
                tuple(file["ids"].tobytes().decode().split("\n")),
                Measures(**{each.name: file[each.name] for each in fields(Measures)}),
                {int(position): why for position, why in about["unreadable"].items()},
                file["pairs"],
                file["exact"],
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is damaged ({error}). Delete it and check again.") from error
    return check if set(dataset.table["id"]) <= set(check.ids) else None


def findings(check: Check, dataset: Dataset) -> pd.DataFrame:
    """Return one row for each patch of the data set: its measures and a bool column for each of :data:`FLAGS`.

    The parts of the split are those of :func:`core.data.default_rule`; patches without a label are a part of their own.
    """
    place = pd.Index(check.ids).get_indexer(dataset.table["id"])
    row_of = np.full(len(check.ids), -1, np.int64)
    row_of[place] = np.arange(len(place))
    pairs, exact = row_of[check.pairs], check.exact
    here = (pairs >= 0).all(axis=1) if len(pairs) else np.zeros(0, bool)
    pairs, exact = pairs[here], exact[here]
    label = dataset.table["label"].fillna(-1).to_numpy(np.int64)
    part = _parts(dataset)
    one, other = pairs[:, 0], pairs[:, 1]
    marked = {
        "duplicate": pairs[exact],
        "near duplicate": pairs[~exact],
        "conflict": pairs[(label[one] != label[other]) & (label[one] >= 0) & (label[other] >= 0)],
        "leak": pairs[part[one] != part[other]],
    }
    readable = ~np.isin(place, list(check.unreadable))
    table = pd.DataFrame({name: getattr(check.measures, name)[place] for name in _measured()})
    table["unreadable"] = ~readable
    for name in ("black", "blank", "blurred"):
        table[name] = getattr(check.measures, f"is_{name}")()[place] & readable
    for name, found in marked.items():
        table[name] = np.isin(np.arange(len(table)), found)
    return table


def partners(check: Check, patch_id: str) -> list[str]:
    """Return the ids of the patches that are the same as a patch, or nearly so."""
    position = check.ids.index(patch_id)
    found = check.pairs[(check.pairs == position).any(axis=1)]
    return sorted({check.ids[int(each)] for each in found.ravel()} - {patch_id})


def _measured() -> list[str]:
    return [each.name for each in fields(Measures) if each.name != "digests"]


def _parts(dataset: Dataset) -> npt.NDArray[np.str_]:
    parts = assign(dataset, default_rule(dataset))
    return np.where(parts == "", "no label", parts.astype("<U8"))


def _check(dataset: Dataset, store: PatchStore, progress: Progress | None) -> Check:
    measured, described, unreadable = [], [], {}
    for start in range(0, len(store), CHUNK):
        loaded = store.load(np.arange(start, min(start + CHUNK, len(store))))
        measured.append(measure(loaded.pixels))
        described.append(describe(loaded.pixels))
        unreadable.update({start + at: why for at, why in loaded.unreadable.items()})
        if progress is not None:
            progress(0.9 * min(1.0, (start + CHUNK) / len(store)))
    measures = Measures(
        **{each.name: np.concatenate([getattr(part, each.name) for part in measured]) for each in fields(Measures)}
    )
    readable = np.setdiff1d(np.arange(len(store)), list(unreadable))
    equal = readable[same(measures.digests[readable])]
    telling = readable[~(measures.is_blank() | measures.is_black())[readable]]
    near = telling[candidates(np.concatenate(described)[telling])]
    near = near[measures.digests[near[:, 0]] != measures.digests[near[:, 1]]]
    near = near[alike(store, near)]
    if progress is not None:
        progress(1.0)
    exact = np.repeat([True, False], [len(equal), len(near)])
    return Check(tuple(dataset.table["id"]), measures, unreadable, np.concatenate([equal, near]), exact)


def _save(check: Check, dataset: Dataset) -> None:
    about = {"version": VERSION, "files": dataset.files, "unreadable": check.unreadable}
    with atomic.replacing(check_path(dataset.source)) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            about=np.frombuffer(json.dumps(about).encode(), np.uint8),
            ids=np.frombuffer("\n".join(check.ids).encode(), np.uint8),
            pairs=check.pairs,
            exact=check.exact,
            **{each.name: getattr(check.measures, each.name) for each in fields(Measures)},
        )
