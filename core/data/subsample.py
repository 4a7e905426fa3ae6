"""Learn from some of the training patches only, to see what more of them are worth."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data.dataset import Dataset
from core.data.splits import positions
from core.errors import DataError


@dataclass(frozen=True)
class Subsample:
    """Which training patches are learnt from: those whose hash of seed and id is not above a limit.

    It holds no number of patches, so that it finds the same again in a data set that has grown or lost some since.

    Attributes:
        seed: of the hash.
        limit: the largest hash that stays, in [0, 1).
    """

    seed: int
    limit: float

    def apply(self, dataset: Dataset, parts: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
        """Return the parts, with "" for the training patches that are left out."""
        rows = np.flatnonzero(parts == "train")
        left = parts.copy()
        left[rows[_hashes(dataset, rows, self.seed) > self.limit]] = ""
        return left

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Subsample":
        """Return what :meth:`to_json` gave."""
        return cls(int(value["seed"]), float(value["limit"]))


def find_subsample(dataset: Dataset, parts: npt.NDArray[np.str_], *, patches: int, seed: int) -> Subsample | None:
    """Return what leaves so many training patches, or None if all are to stay; see :func:`thin`."""
    if not patches:
        return None
    rows = np.flatnonzero(parts == "train")
    if patches > len(rows):
        raise DataError(
            f"{dataset.name} has {len(rows):,} labelled training patches under this split, and {patches:,} are asked "
            f"for. Ask for at most {len(rows):,}."
        )
    return Subsample(seed, float(np.sort(_hashes(dataset, rows, seed))[patches - 1]))


def subsample(dataset: Dataset, parts: npt.NDArray[np.str_], *, patches: int, seed: int) -> npt.NDArray[np.str_]:
    """Return the parts with only so many training patches left; the others belong to no part.

    Those with the smallest hash of seed and id stay, whatever their class or slide. So 1,000 patches are among the
    2,000 of the same split and seed, wherever the data set lies and in whatever order, and the hash knows nothing of
    the one that divides.

    Args:
        dataset: what is divided.
        parts: "train", "valid", "test" or "" for each row, as :func:`core.data.assign` gives them.
        patches: how many training patches stay; 0 is all.
        seed: of the draw.

    Raises:
        DataError: there are fewer than that.
    """
    thinning = find_subsample(dataset, parts, patches=patches, seed=seed)
    return parts if thinning is None else thinning.apply(dataset, parts)


def _hashes(dataset: Dataset, rows: npt.NDArray[np.intp], seed: int) -> npt.NDArray[np.float64]:
    return positions(dataset.table["id"].to_numpy(dtype=object)[rows], seed, "thin:")
