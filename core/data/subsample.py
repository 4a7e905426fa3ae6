"""Train on some of the training patches only, to see what more of them are worth."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.data.dataset import Dataset
from core.data.splits import positions
from core.errors import DataError
from core.storage.record import Record


@dataclass(frozen=True)
class Subsample(Record):
    """Which training patches stay: those whose hash of seed and id is at most a limit, whatever their class or slide.

    So 1,000 patches are among the 2,000 of the same split and seed, wherever the data set lies and in whatever order.
    The number of patches is not part of it, so that it chooses the same ones in a data set that has grown or lost some.

    Attributes:
        seed: of the hash.
        limit: the largest hash that stays, in [0, 1).
    """

    seed: int
    limit: float

    def apply(self, dataset: Dataset, splits: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
        """Return the split of each row, with "" for the training patches that are excluded."""
        rows = np.flatnonzero(splits == "train")
        remaining = splits.copy()
        remaining[rows[_hashes(dataset, rows, self.seed) > self.limit]] = ""
        return remaining


def find_subsample(dataset: Dataset, splits: npt.NDArray[np.str_], *, patches: int, seed: int) -> Subsample | None:
    """Return the subsample that leaves a number of training patches, or None if all of them stay.

    `splits` are those of :func:`core.data.assign`; with 0 `patches` all of them stay.

    Raises:
        DataError: there are fewer than that.
    """
    if not patches:
        return None
    rows = np.flatnonzero(splits == "train")
    if patches > len(rows):
        raise DataError(
            f"{dataset.name} has {len(rows):,} labelled training patches under this split, but {patches:,} were "
            f"requested. Choose at most {len(rows):,}."
        )
    return Subsample(seed, float(np.sort(_hashes(dataset, rows, seed))[patches - 1]))


def _hashes(dataset: Dataset, rows: npt.NDArray[np.intp], seed: int) -> npt.NDArray[np.float64]:
    # Another purpose than that of the split, so that the patches that stay are a fair draw of its training patches.
    return positions(dataset.table["id"].to_numpy(dtype=object)[rows], seed, "thin:")
