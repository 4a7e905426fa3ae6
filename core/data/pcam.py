"""PatchCamelyon's HDF5 files: camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5.

Source: Veeling et al., "Rotation Equivariant CNNs for Digital Pathology", 2018; the files are also what
``torchvision.datasets.PCAM`` reads.
"""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from core.data.dataset import SPLITS, Dataset, Problem, make_table
from core.data.listing import digest_of, quick_stamp_of
from core.data.store import Hdf5Store, JoinedStore
from core.errors import DataError


def x_file(folder: Path, split: str) -> Path:
    """Return where the patches of `split` lie."""
    return folder / f"camelyonpatch_level_2_split_{split}_x.h5"


def y_file(folder: Path, split: str) -> Path:
    """Return where the labels of `split` lie."""
    return folder / f"camelyonpatch_level_2_split_{split}_y.h5"


def meta_file(folder: Path, split: str) -> Path:
    """Return where the slides of `split` lie, if anybody put them there."""
    return folder / f"camelyonpatch_level_2_split_{split}_meta.csv"


def open_pcam(folder: Path) -> Dataset:
    """Open a folder with PCam's HDF5 files; splits that are not there or cannot be used are listed in ``problems``.

    The id of a patch is its split and row, such as ``train-000041``. Slides come from the published
    ``camelyonpatch_level_2_split_train_meta.csv`` and its like, where they lie beside the patches.

    Raises:
        DataError: no split is there, or none that can be used: a file is damaged, of another shape, or without labels.
    """
    found = [split for split in SPLITS if x_file(folder, split).is_file()]
    if not found:
        raise DataError(f"{folder} holds no PCam file; expected {x_file(folder, 'train').name} and its like.")
    stamp, tables, problems = quick_stamp(folder), [], []
    stores: list[Hdf5Store] = []
    for split in SPLITS:
        if split not in found:
            problems.append(Problem(x_file(folder, split).name, "is not there"))
            continue
        try:
            store, labels = _read_split(folder, split)
        except DataError as error:
            if split == found[-1] and not stores:
                raise
            problems.append(Problem(x_file(folder, split).name, f"excluded: {error}"))
            continue
        ids = [f"{split}-{row:06d}" for row in range(len(labels))]
        stores.append(store)
        tables.append(make_table(ids, labels=labels, split=split, slides=_slides(folder, split, problems, len(ids))))
    table = pd.concat([table.astype({"split": "string"}) for table in tables], ignore_index=True)
    table["split"] = table["split"].astype("category")
    pixels, files = JoinedStore(stores), files_digest(folder)
    return Dataset(folder.name, str(folder), "pcam", table, pixels, tuple(problems), files=files, quick_stamp=stamp)


def _read_split(folder: Path, split: str) -> tuple[Hdf5Store, np.ndarray]:
    try:
        store = Hdf5Store(x_file(folder, split))
    except (OSError, KeyError, AttributeError) as error:
        raise DataError(f"{x_file(folder, split).name} is no readable HDF5 file with patches under 'x'.") from error
    return store, _labels(folder, split, expected=len(store))


def files_digest(folder: Path) -> str:
    """Return what stands for the patches' files as they are now, see :func:`core.data.listing.digest_of`."""
    return digest_of(folder, [x_file(folder, split).name for split in SPLITS])


def quick_stamp(folder: Path) -> str:
    """Return what stands for the files without every file's state, see :func:`core.data.listing.quick_stamp_of`."""
    return quick_stamp_of(
        folder,
        tracked=[x_file(folder, split).name for split in SPLITS],
        read=[file(folder, split).name for split in SPLITS for file in (y_file, meta_file)],
    )


def _slides(folder: Path, split: str, problems: list[Problem], expected: int) -> list[str | None] | None:
    """Return the slide of each patch, or None where they are not known."""
    path = meta_file(folder, split)
    try:
        slides = pd.read_csv(path, usecols=["wsi"], dtype="str")["wsi"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        problems.append(Problem(path.name, f"excluded, so that slides are not known: {error}"))
        return None
    if len(slides) != expected:
        problems.append(Problem(path.name, f"excluded: it names {len(slides)} slides for {expected} patches"))
        return None
    return [None if pd.isna(slide) else str(slide) for slide in slides]


def _labels(folder: Path, split: str, *, expected: int) -> np.ndarray:
    path = y_file(folder, split)
    try:
        with h5py.File(path, "r") as file:
            labels: np.ndarray = file["y"][()].reshape(-1)
    except FileNotFoundError as error:
        raise DataError(f"{path.name} is missing; it holds the labels of {x_file(folder, split).name}.") from error
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path.name} is no readable HDF5 file with labels under 'y'.") from error
    if len(labels) != expected:
        raise DataError(f"{path.name} has {len(labels)} labels for {expected} patches; download both files again.")
    if labels.dtype.kind not in "buif" or not np.isin(labels, (0, 1)).all():
        raise DataError(f"{path.name} has labels other than 0 and 1.")
    return labels.astype(np.int8)
