"""Whether a picture is a patch of a data set: by its pixels, whatever its file is called."""

import numpy as np
import numpy.typing as npt

from core.data.dataset import Dataset
from core.data.measures import digest_of
from core.data.quality import load_check
from core.data.store import batches

MOST = 5_000
"""Patches of a data set without a check that are read to find one: some seconds."""


def pixel_digests(dataset: Dataset) -> npt.NDArray[np.uint64] | None:
    """Return what stands for the pixels of each patch, uint64 (N,): from the check, or read now where there are few.

    Returns:
        None where the data set was not checked and is too large to be read for this. 0 stands for an unreadable patch.

    Raises:
        DataError: the check is damaged.
    """
    check = load_check(dataset)
    if check is not None:
        place = {name: at for at, name in enumerate(check.ids)}
        return check.measures.digests[[place[name] for name in dataset.table["id"]]]
    if len(dataset) > MOST:
        return None
    digests = np.zeros(len(dataset), np.uint64)
    for rows, loaded in batches(dataset.store, np.arange(len(dataset))):
        digests[rows] = [digest_of(patch) for patch in loaded.pixels]
        digests[rows[~loaded.readable]] = 0
    return digests


def row_of(dataset: Dataset, digests: npt.NDArray[np.uint64], patch: npt.NDArray[np.uint8]) -> int | None:
    """Return the first row whose patch has these pixels, uint8 96×96×3, or None."""
    for row in np.flatnonzero(digests == digest_of(patch)).tolist():
        if (dataset.store.load([row]).pixels[0] == patch).all():  # a digest of 64 bits may agree by chance
            return int(row)
    return None
