"""The check of a data set: measured once for every patch, stored beside its pack, and what follows from it.

``check.npz`` holds the measures and the pairs of equal and nearly equal patches. It holds neither labels nor splits:
conflicts and leaks are found from them when the check is read, so that decisions and another split need no new check.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.data.dataset import NAMES, Dataset, exported
from core.data.duplicates import alike, candidates, describe, same
from core.data.measures import MEASURES, Measures, measure
from core.data.open import open_dataset
from core.data.pack import settle
from core.data.pack_blocks import open_store, pack_folder, verify_pack
from core.data.store import PatchStore, batches, kind_of_note, notes_by_row, rows_by_note
from core.progress import Progress, no_progress, within
from core.storage.npz import save_arrays, stored_arrays
from core.storage.spreadsheet import table_csv

VERSION = 2
"""Raise it when measures or pairs come out otherwise; an earlier check then counts as none."""

BATCH = 256
"""Patches that are measured together: their optical density, as float32, takes 28 MB."""

FLAGS = {
    "unreadable": "could not be read, or is not 96×96 in 8-bit RGB",
    "black": "black",
    "blank": "shows next to nothing",
    "blurred": "without fine detail",
    "duplicate": "has the same pixels as another patch",
    "near duplicate": "is another patch rotated, mirrored, lighter, darker or saved again",
    "conflict": "a (near) duplicate has another label",
    "leak": "a (near) duplicate is in another split",
}
"""What can be wrong with a patch, and what each means."""


@dataclass(frozen=True)
class Check:
    """What was measured of a data set.

    Attributes:
        ids: of all its patches, also of those that are excluded.
        measures: in the order of `ids`; those of an unreadable patch are of white.
        unreadable: position -> why.
        notes: position -> what was done to the picture before it was measured, as Predict says it; None in a check of
            an earlier version, which did not keep them.
        pairs: int64 M×2, positions of patches that are the same or nearly so. Of several with the same pixels, the
            first stands for all: it is paired with every other one, and it alone with what is nearly the same.
        exact: bool (M,), which of the pairs have the same pixels.
    """

    ids: tuple[str, ...]
    measures: Measures
    unreadable: dict[int, str]
    pairs: npt.NDArray[np.int64]
    exact: npt.NDArray[np.bool_]
    notes: dict[int, tuple[str, ...]] | None = None

    def notes_by_kind(self, dataset: Dataset) -> dict[str, list[str]]:
        """Return what was done to pictures, a sentence without its numbers, and the ids of those of the data set."""
        ids, kinds = set(dataset.table["id"]), dict[str, list[str]]()
        for note, positions in rows_by_note(self.notes or {}).items():
            known = [self.ids[at] for at in positions if self.ids[at] in ids]
            if known:
                kinds.setdefault(kind_of_note(note), []).extend(known)
        return kinds


def check_path(source: str) -> Path:
    """Return where the check of a data set is or will be."""
    return pack_folder(source) / "check.npz"


def make_check(source: str, *, progress: Progress = no_progress) -> Check:
    """Check all patches of a data set, also excluded ones, and store what was found.

    Raises:
        DataError: it cannot be opened.
        StorageError: the check cannot be stored.
    """
    dataset = open_dataset(source, raw=True)
    pack = None if dataset.kind == "demo" else settle(dataset)
    if pack is not None:
        verify_pack(pack)
    # A pack of an earlier version does not know what was done to its pictures; the files tell.
    check = _check(dataset, dataset.store if pack is None or pack.notes is None else open_store(pack), progress)
    about = {
        "version": VERSION,
        "files": dataset.files,
        "unreadable": check.unreadable,
        "notes": rows_by_note(check.notes or {}),
    }
    arrays = {
        "ids": np.frombuffer("\n".join(check.ids).encode(), np.uint8),
        "pairs": check.pairs,
        "exact": check.exact,
        **{each.name: getattr(check.measures, each.name) for each in fields(Measures)},
    }
    save_arrays(check_path(dataset.source), about, **arrays)
    return check


def load_check(dataset: Dataset) -> Check | None:
    """Return the stored check, or None if there is none of the files as they are now.

    Raises:
        DataError: it is damaged.
    """
    path, current = check_path(dataset.source), {"version": VERSION, "files": dataset.files}
    with stored_arrays(path, remedy="Delete it and check again.", only=current) as stored:
        if stored is None:
            return None
        about, file = stored
        if "notes" not in about and about["unreadable"]:  # of an earlier version, which read fewer kinds of files
            return None
        check = Check(
            tuple(file["ids"].tobytes().decode().split("\n")),
            Measures(**{each.name: file[each.name] for each in fields(Measures)}),
            {int(position): why for position, why in about["unreadable"].items()},
            file["pairs"],
            file["exact"],
            notes_by_row(about["notes"]) if "notes" in about else None,
        )
    return check if set(dataset.table["id"]) <= set(check.ids) else None


def findings(check: Check, dataset: Dataset, splits: npt.NDArray[np.str_]) -> pd.DataFrame:
    """Return one row for each patch of the data set: its measures and a bool column for each of :data:`FLAGS`.

    Args:
        check: of the data set.
        dataset: with or without its excluded patches.
        splits: of every row, as :func:`core.data.assign` returns them. Rows without a label ("") count as one more
            split, because a test patch among them leaks as well.
    """
    place = pd.Index(check.ids).get_indexer(dataset.table["id"])
    group, links = _groups(check), check.pairs[~check.exact]
    group = group[place]
    links = links[np.isin(links, group).all(axis=1)]  # a patch that was excluded is no longer a duplicate of anything
    label = dataset.table["label"].fillna(-1).to_numpy(np.int64)
    readable = ~np.isin(place, list(check.unreadable))
    table = pd.DataFrame({name: getattr(check.measures, name)[place] for name in MEASURES})
    table["unreadable"] = ~readable
    for name in ("black", "blank", "blurred"):
        table[name] = getattr(check.measures, f"is_{name}")()[place] & readable
    table["duplicate"] = np.bincount(group, minlength=len(check.ids))[group] > 1
    table["near duplicate"] = np.isin(group, links)
    table["conflict"] = _differ(group, links, label) & (label >= 0)
    table["leak"] = _differ(group, links, np.unique(splits, return_inverse=True)[1])
    return table


def findings_csv(found: pd.DataFrame, dataset: Dataset) -> str:
    """Return what :func:`findings` found, beside the patch table, as CSV."""
    table = exported(dataset.table).astype({"split": str}).reset_index(drop=True)
    flags = found.round(4).astype(dict.fromkeys(FLAGS, int))
    return table_csv(pd.concat([table, flags], axis=1), names=[name for name in NAMES if name in table])


def partners(check: Check, patch_id: str) -> list[str]:
    """Return the ids of the patches that are the same as a patch, or nearly so."""
    group, links = _groups(check), check.pairs[~check.exact]
    own = group[check.ids.index(patch_id)]
    others = np.append(links[(links == own).any(axis=1)].ravel(), own)
    return sorted({check.ids[int(each)] for each in np.flatnonzero(np.isin(group, others))} - {patch_id})


def _groups(check: Check) -> npt.NDArray[np.int64]:
    """Return for each position the first with the same pixels."""
    first = np.arange(len(check.ids))
    equal = check.pairs[check.exact]
    first[equal[:, 1]] = equal[:, 0]
    return first


def _differ(
    group: npt.NDArray[np.int64], links: npt.NDArray[np.int64], values: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return for each row whether another of its group, or of a linked group, has another value; below 0 is none."""
    size = int(max(group.max(initial=-1), links.max(initial=-1))) + 1
    present = np.zeros((size, max(1, int(values.max(initial=0)) + 1)), bool)
    present[group[values >= 0], values[values >= 0]] = True
    around = present.copy()
    for one, other in (links.T, links.T[::-1]):
        np.logical_or.at(around, one, present[other])
    around = around[group]
    # What remains is what others have; a row without a value (below 0) has none of its own to remove.
    around[np.arange(len(group)), values] &= values < 0
    return np.asarray(around.any(axis=1))


def _check(dataset: Dataset, store: PatchStore, progress: Progress) -> Check:
    measured, described, unreadable, notes = [], [], {}, {}
    for rows, loaded in batches(store, np.arange(len(store)), size=BATCH, progress=within(progress, 0.0, 0.8)):
        measured.append(measure(loaded.pixels))
        described.append(describe(loaded.pixels))
        unreadable.update({int(rows[at]): why for at, why in loaded.unreadable.items()})
        notes.update({int(rows[at]): said for at, said in loaded.notes.items()})
    measures = Measures(
        **{each.name: np.concatenate([getattr(batch, each.name) for batch in measured]) for each in fields(Measures)}
    )
    readable = np.setdiff1d(np.arange(len(store)), list(unreadable))
    equal = readable[same(measures.digests[readable])]
    # One of each group of equal patches, and none without structure: empty patches would all be alike.
    compared = np.setdiff1d(readable, equal[:, 1])
    compared = compared[~(measures.is_blank() | measures.is_black())[compared]]
    near = compared[candidates(np.concatenate(described)[compared], progress=within(progress, 0.8, 0.98))]
    near = near[alike(store, near, progress=within(progress, 0.98, 1.0))]
    progress(1.0)
    exact = np.repeat([True, False], [len(equal), len(near)])
    pairs = np.concatenate([equal, near])
    return Check(tuple(dataset.table["id"].to_list()), measures, unreadable, pairs, exact, notes)
