"""PatchCamelyon's HDF5 files: camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5.

Source: Veeling et al., "Rotation Equivariant CNNs for Digital Pathology", 2018; the files are also what
``torchvision.datasets.PCAM`` reads.
"""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from core.data.dataset import Dataset, Problem, make_table
from core.data.listing import digest_of
from core.data.store import Hdf5Store, JoinedStore
from core.errors import DataError

SPLITS = ("train", "valid", "test")


def x_file(folder: Path, split: str) -> Path:
    """Return where the patches of `split` lie."""
    return folder / f"camelyonpatch_level_2_split_{split}_x.h5"


def open_pcam(folder: Path) -> Dataset:
    """Open a folder with PCam's HDF5 files; splits that are not there are listed in ``problems``.

    The id of a patch is its split and row, such as ``train-000041``.

    Raises:
        DataError: no split is there, or a file is damaged, of another shape, or without its labels.
    """
    found = [split for split in SPLITS if x_file(folder, split).is_file()]
    if not found:
        raise DataError(f"{folder} holds no PCam file; expected {x_file(folder, 'train').name} and its like.")
    stores, tables = [], []
    for split in found:
        try:
            stores.append(Hdf5Store(x_file(folder, split)))
        except (OSError, KeyError, AttributeError) as error:
            raise DataError(f"{x_file(folder, split).name} is no readable HDF5 file with patches under 'x'.") from error
        labels = _labels(folder, split, expected=len(stores[-1]))
        ids = [f"{split}-{row:06d}" for row in range(len(labels))]
        tables.append(make_table(ids, labels=labels, split=split))
    table = pd.concat([part.astype({"split": "string"}) for part in tables], ignore_index=True)
    table["split"] = table["split"].astype("category")
    missing = tuple(Problem(x_file(folder, split).name, "is not there") for split in SPLITS if split not in found)
    return Dataset(folder.name, str(folder), "pcam", table, JoinedStore(stores), missing, files=files_digest(folder))


def files_digest(folder: Path) -> str:
    """Return what stands for the patches' files as they are now, see :func:`core.data.listing.digest_of`."""
    return digest_of(folder, [x_file(folder, split).name for split in SPLITS])


def _labels(folder: Path, split: str, *, expected: int) -> np.ndarray:
    path = folder / f"camelyonpatch_level_2_split_{split}_y.h5"
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
