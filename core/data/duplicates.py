"""Patches that are the same, and patches that are nearly the same: saved again, lighter, darker, rotated or mirrored.

Nearly the same is found in two steps. Each patch is described by 20 numbers that no flip or rotation by 90° changes,
and neither does any factor on its grey levels or shift of them: of its 8×8 mean grey levels, standardised, the mean and
spread over each set of cells that these exchange. Patches whose numbers are close are then laid over each
other in all eight views, and their detail is compared. A patch that is shifted by some pixels is not found.
"""

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from core import d4
from core.data.measures import grey
from core.data.pack_workers import available_workers
from core.data.store import PATCH_SIZE, PatchStore
from core.progress import Progress, no_progress

CELLS = 8
CLOSE = 0.5
"""Largest distance of the descriptions of candidates. Of 600 real patches, 99 % move by less than 0.11 when saved as
JPEG of quality 50 and 0.37 when lightened by 25 levels, 94 % by less than 0.5 when lightened by a fifth, which makes
much of them plain white; half of all patches have no other one within 0.93."""

NEIGHBOURS = 8
"""Most candidates of a patch, the nearest ones, the patch itself among them."""

SIMILAR = 0.93
"""Least correlation of the detail of patches that are nearly the same: their 32×32 grey thumbnails less the 8×8 means.

Of 400 real patches, 99 % correlate with themselves by more than 0.97 when saved as JPEG of quality 50, given noise of 8
levels or lightened by 25, and by 0.92 when lightened by a fifth. Two smooth artefacts of the real sample reach 0.87.
"""

_THUMB = 3  # pixels of a patch to one of its thumbnail, so that 96 become 32
_BATCH = 256  # pairs, of which both patches are in memory: 14 MB
_QUERIES = 2048  # between two reports of progress

_VIEWS = np.stack([each.ravel() for each in d4.views(np.arange(CELLS * CELLS).reshape(CELLS, CELLS))])
# The sets of cells of an 8×8 grid that flips and rotations by 90° exchange.
_ORBITS = [np.array(orbit) for orbit in sorted({tuple(sorted(set(column))) for column in _VIEWS.T.tolist()})]


def describe(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return 20 numbers of each patch, uint8 N×96×96×3, that no flip or rotation by 90° changes: float32 N×20."""
    side = PATCH_SIZE // CELLS
    cells = grey(pixels).reshape(-1, CELLS, side, CELLS, side).mean(axis=(2, 4))
    cells -= cells.mean(axis=(1, 2), keepdims=True)
    # By the spread of the cells and not of the pixels: patches of fine texture would otherwise all be alike.
    cells /= np.maximum(cells.std(axis=(1, 2), keepdims=True), np.float32(1e-3))
    flat = cells.reshape(len(cells), -1)
    numbers = [number for orbit in _ORBITS for number in (flat[:, orbit].mean(axis=1), flat[:, orbit].std(axis=1))]
    return np.stack(numbers, axis=1).astype(np.float32)


def same(digests: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return pairs (M×2) of positions with equal digests: the first of each group with every other one."""
    _, index, number = np.unique(digests, return_index=True, return_inverse=True)
    first = index[number]
    other = np.flatnonzero(first != np.arange(len(digests)))
    other = other[np.argsort(number[other], kind="stable")]  # group by group
    return np.stack([first[other], other], axis=1).astype(np.int64)


def candidates(descriptions: npt.NDArray[np.float32], *, progress: Progress = no_progress) -> npt.NDArray[np.int64]:
    """Return pairs (M×2, the smaller position first) whose descriptions, float32 (N, 20), are close."""
    count = len(descriptions)
    if count < 2:
        return np.empty((0, 2), np.int64)
    neighbours, tree, found = min(NEIGHBOURS, count), cKDTree(descriptions), [np.empty((0, 2), np.int64)]
    for start in range(0, count, _QUERIES):
        queries = descriptions[start : start + _QUERIES]
        distance, other = tree.query(queries, k=neighbours, distance_upper_bound=CLOSE, workers=available_workers())
        near = np.isfinite(distance)
        one = np.broadcast_to(np.arange(start, start + len(queries))[:, None], near.shape)
        pairs = np.stack([one[near], other[near]], axis=1)
        found.append(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1))
        progress(min(1.0, (start + _QUERIES) / count))
    return np.unique(np.concatenate(found), axis=0).astype(np.int64)


def alike(
    store: PatchStore, pairs: npt.NDArray[np.int64], *, progress: Progress = no_progress
) -> npt.NDArray[np.bool_]:
    """Return for each pair of rows whether one patch, rotated or mirrored, is nearly the other: bool (M,)."""
    result = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), _BATCH):
        batch = pairs[start : start + _BATCH]
        one, other = _thumbs(store, batch[:, 0]), _thumbs(store, batch[:, 1])
        best = np.full(len(batch), -1.0)
        for view in d4.views(other):
            best = np.maximum(best, (one * view).mean(axis=(1, 2)))
        result[start : start + _BATCH] = best >= SIMILAR
        progress(min(1.0, (start + _BATCH) / len(pairs)))
    return result


def _thumbs(store: PatchStore, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return standardised thumbnails, float32 N×32×32, without what is coarse, which candidates share anyway."""
    side = PATCH_SIZE // _THUMB
    thumbs = grey(store.load(rows).pixels).reshape(-1, side, _THUMB, side, _THUMB).mean(axis=(2, 4))
    blocks = thumbs.reshape(-1, CELLS, side // CELLS, CELLS, side // CELLS)
    detail = (blocks - blocks.mean(axis=(2, 4), keepdims=True)).reshape(thumbs.shape)
    spread = np.maximum(detail.std(axis=(1, 2), keepdims=True), 1e-3)
    return np.asarray(detail / spread, np.float32)
