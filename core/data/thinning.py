"""Learn from some of the training patches only, to see what more of them are worth."""

import numpy as np
import numpy.typing as npt

from core.data.dataset import Dataset
from core.data.splits import positions
from core.errors import DataError


def thin(dataset: Dataset, parts: npt.NDArray[np.str_], *, patches: int, seed: int) -> npt.NDArray[np.str_]:
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
    if not patches:
        return parts
    rows = np.flatnonzero(parts == "train")
    if patches > len(rows):
        raise DataError(
            f"{dataset.name} has {len(rows):,} labelled training patches under this split, and {patches:,} are asked "
            f"for. Ask for at most {len(rows):,}."
        )
    names = dataset.table["id"].to_numpy(dtype=object)[rows]
    order = np.argsort(positions(names, seed, "thin:"), kind="stable")
    left = parts.copy()
    left[rows[order[patches:]]] = ""
    return left
