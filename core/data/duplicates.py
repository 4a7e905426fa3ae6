"""Patches that are the same, and patches that are nearly the same: saved again, lighter or darker, turned or mirrored.

Nearly the same is found in two steps. Each patch is described by 20 numbers that none of the eight symmetries changes:
of the 8×8 means of its normalised grey levels, the mean and spread over each set of cells that the symmetries exchange.
Patches whose numbers are close are then laid over each other in all eight ways. A patch shifted by some pixels is
another patch to this.
"""

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from core.data.quality import grey
from core.data.store import PATCH_SIZE, PatchStore

CELLS = 8
CLOSE = 0.25
"""Largest distance of the descriptions of candidates; saved as JPEG of quality 50, patches move by less."""

NEIGHBOURS = 8
"""So many candidates of a patch are looked at."""

ALIKE = 0.97
"""Least correlation of 32×32 grey thumbnails of patches that are nearly the same."""

_THUMB = 3
_BATCH = 256


def describe(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return 20 numbers for each patch, float32 N×20, that no flip or quarter turn changes.

    Args:
        pixels: uint8 N×96×96×3.
    """
    levels = grey(pixels)
    side = PATCH_SIZE // CELLS
    cells = levels.reshape(-1, CELLS, side, CELLS, side).mean(axis=(2, 4))
    cells -= cells.mean(axis=(1, 2), keepdims=True)
    cells /= np.maximum(levels.std(axis=(1, 2)), np.float32(1e-3))[:, None, None]
    flat = cells.reshape(len(cells), -1)
    parts = [part for orbit in _ORBITS for part in (flat[:, orbit].mean(axis=1), flat[:, orbit].std(axis=1))]
    return np.stack(parts, axis=1).astype(np.float32)


def _orbits() -> list[npt.NDArray[np.int64]]:
    """Return the sets of cells of an 8×8 grid that flips and quarter turns exchange."""
    numbers = np.arange(CELLS * CELLS).reshape(CELLS, CELLS)
    turned = np.stack([each.ravel() for each in symmetries(numbers)])
    return [np.array(orbit) for orbit in sorted({tuple(sorted(set(column))) for column in turned.T.tolist()})]


def symmetries(array: npt.NDArray[np.generic]) -> list[npt.NDArray[np.generic]]:
    """Return the eight flips and quarter turns of the first two axes."""
    return [np.rot90(each, turns) for each in (array, array[:, ::-1]) for turns in range(4)]


_ORBITS = _orbits()


def same(digests: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return pairs (M×2) of positions with equal digests: the first of each group with every other one."""
    order = np.argsort(digests, kind="stable")
    ordered = digests[order]
    fresh = np.ones(len(ordered), bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    first = order[np.flatnonzero(fresh)[np.cumsum(fresh) - 1]] if len(order) else order
    return np.stack([first[~fresh], order[~fresh]], axis=1).astype(np.int64)


def candidates(descriptions: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return pairs (M×2, the smaller position first) whose descriptions are close."""
    count = len(descriptions)
    if count < 2:
        return np.empty((0, 2), np.int64)
    neighbours = min(NEIGHBOURS, count)
    distance, found = cKDTree(descriptions).query(descriptions, k=neighbours, distance_upper_bound=CLOSE)
    one = np.repeat(np.arange(count), neighbours)
    other, near = found.ravel(), np.isfinite(distance.ravel())
    pairs = np.stack([one[near], other[near]], axis=1)
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    return np.unique(pairs, axis=0).astype(np.int64)


def alike(store: PatchStore, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return for each pair of rows whether one patch, turned or mirrored, is nearly the other."""
    result = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), _BATCH):
        part = pairs[start : start + _BATCH]
        one, other = _thumbs(store, part[:, 0]), _thumbs(store, part[:, 1])
        best = np.full(len(part), -1.0)
        for turned in symmetries(np.moveaxis(other, 0, -1)):
            best = np.maximum(best, (one * np.moveaxis(turned, -1, 0).astype(np.float32)).mean(axis=(1, 2)))
        result[start : start + _BATCH] = best >= ALIKE
    return result


def _thumbs(store: PatchStore, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    side = PATCH_SIZE // _THUMB
    thumbs = grey(store.load(rows).pixels).reshape(-1, side, _THUMB, side, _THUMB).mean(axis=(2, 4))
    thumbs -= thumbs.mean(axis=(1, 2), keepdims=True)
    spread = np.maximum(thumbs.std(axis=(1, 2), keepdims=True), 1e-3)
    return np.asarray(thumbs / spread, np.float32)
