"""PatchCamelyon's HDF5 files: camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5.

Source: Veeling et al., "Rotation Equivariant CNNs for Digital Pathology", 2018; the files are also what
``torchvision.datasets.PCAM`` reads.
"""

import re
from collections.abc import Collection
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from core.data.csv_file import read_csv
from core.data.dataset import SPLITS, Problem, make_table
from core.data.readers.protocol import NO, SURE, Given, Listing, Watched
from core.data.store import Hdf5Store, JoinedStore
from core.errors import DataError

NAME = "pcam"
EXAMPLE = "camelyonpatch_level_2_split_train_x.h5 and its like"

_CUT = re.compile(r"truncated file: eof = (\d+).*stored_eof = (\d+)")
"""What the HDF5 library says of a file that ends too early."""


def x_file(folder: Path, split: str) -> Path:
    """Return where the patches of `split` lie."""
    return folder / f"camelyonpatch_level_2_split_{split}_x.h5"


def y_file(folder: Path, split: str) -> Path:
    """Return where the labels of `split` lie."""
    return folder / f"camelyonpatch_level_2_split_{split}_y.h5"


def meta_file(folder: Path, split: str) -> Path:
    """Return where the slides of `split` lie, if anybody put them there."""
    return folder / f"camelyonpatch_level_2_split_{split}_meta.csv"


def recognises(_path: Path, names: Collection[str]) -> int:
    """Whether it is a folder with PCam's patches."""
    return SURE if any(x_file(Path(), split).name in names for split in SPLITS) else NO


def watched(_given: Given) -> Watched:
    """Return what tells of changes: the patches by size and time, labels and slides by their content."""
    return Watched(
        tuple(x_file(Path(), split).name for split in SPLITS),
        tuple(file(Path(), split).name for split in SPLITS for file in (y_file, meta_file)),
    )


def read(given: Given) -> Listing:
    """List a folder with PCam's HDF5 files; splits that are not there or cannot be used are listed in ``problems``.

    The id of a patch is its split and row, such as ``train-000041``. Slides come from the published
    ``camelyonpatch_level_2_split_train_meta.csv`` and its like, where they lie beside the patches.

    Raises:
        DataError: no split is there, or none that can be used: a file is damaged, of another shape, or without labels.
    """
    folder = given.folder
    found = [split for split in SPLITS if x_file(folder, split).is_file()]
    if not found:
        raise DataError(f"{folder} holds no PCam file; expected {x_file(folder, 'train').name} and its like.")
    tables: list[pd.DataFrame] = []
    problems: list[Problem] = []
    stores: list[Hdf5Store] = []
    for split in SPLITS:
        if split not in found:
            name = x_file(folder, split).name
            packed = f", but {name}.gz is; unpack it with gunzip" if (folder / f"{name}.gz").is_file() else ""
            problems.append(Problem(name, f"is not there{packed}", patches=0))
            continue
        try:
            store, labels = _read_split(folder, split)
        except DataError as error:
            if split == found[-1] and not stores:
                raise
            kind, count = f"of the {split} split", _count_of_labels(folder, split)
            problems.append(Problem(x_file(folder, split).name, f"excluded: {error}", kind, count))
            continue
        ids = [f"{split}-{row:06d}" for row in range(len(labels))]
        stores.append(store)
        tables.append(make_table(ids, labels=labels, split=split, slides=_slides(folder, split, problems, len(ids))))
    table = pd.concat([table.astype({"split": "string"}) for table in tables], ignore_index=True)
    table["split"] = table["split"].astype("category")
    return Listing(table, JoinedStore(stores), tuple(problems))


def _read_split(folder: Path, split: str) -> tuple[Hdf5Store, np.ndarray]:
    path = x_file(folder, split)
    try:
        store = Hdf5Store(path)
    except (OSError, KeyError, AttributeError) as error:
        raise _unreadable(path, error, "patches under 'x'") from error
    return store, _labels(folder, split, expected=len(store))


def _unreadable(path: Path, error: Exception, expected: str) -> DataError:
    if isinstance(error, PermissionError):
        return DataError.unreadable(path, error)
    if cut := _CUT.search(str(error)):
        there, whole = (f"{int(size):,}" for size in cut.groups())
        return DataError(f"{path.name} is cut off: {there} of {whole} bytes are there. Download it again.")
    return DataError(f"{path.name} is no readable HDF5 file with {expected}.")


def _count_of_labels(folder: Path, split: str) -> int | None:
    """Return how many patches a split has by its labels, or None where these cannot be read either."""
    try:
        with h5py.File(y_file(folder, split), "r") as file:
            return int(file["y"].shape[0])
    except (OSError, KeyError, AttributeError, IndexError):
        return None


def _slides(folder: Path, split: str, problems: list[Problem], expected: int) -> list[str | None] | None:
    """Return the slide of each patch, or None where they are not known."""
    path = meta_file(folder, split)
    if not path.is_file():
        return None
    try:
        slides = read_csv(path, required=("wsi",))["wsi"]
    except DataError as error:
        problems.append(Problem(path.name, f"excluded, so that slides are not known: {error}", patches=0))
        return None
    if len(slides) != expected:
        why = f"excluded: it names {len(slides)} slides for {expected} patches"
        problems.append(Problem(path.name, why, patches=0))
        return None
    return [slide or None for slide in slides]


def _labels(folder: Path, split: str, *, expected: int) -> np.ndarray:
    path = y_file(folder, split)
    try:
        with h5py.File(path, "r") as file:
            labels: np.ndarray = file["y"][()].reshape(-1)
    except FileNotFoundError as error:
        raise DataError(f"{path.name} is missing; it holds the labels of {x_file(folder, split).name}.") from error
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, error, "labels under 'y'") from error
    if len(labels) != expected:
        raise DataError(f"{path.name} has {len(labels)} labels for {expected} patches; download both files again.")
    if labels.dtype.kind not in "buif":
        raise DataError(f"{path.name} has labels other than 0 and 1: they are {labels.dtype}.")
    wrong = np.flatnonzero(~np.isin(labels, (0, 1)))
    if len(wrong):
        raise DataError(
            f"{path.name} has labels other than 0 and 1: {len(wrong):,} of {len(labels):,}, such as "
            f"{labels[wrong[0]]} in row {wrong[0]}."
        )
    return labels.astype(np.int8)
