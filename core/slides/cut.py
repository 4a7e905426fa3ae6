"""Labelled patches from annotated slides: which cells hold tumour, which of them are taken, and their pixels.

A cell is the centre of one 96×96 patch, as everywhere on slides. It holds tumour if any pixel of it does, which is how
PatchCamelyon labels its patches; what lies in the rim around it does not count.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.images.patch import PATCH_SIZE
from core.slides.outlines import Annotation, Polygon
from core.slides.plan import Grid
from core.slides.reader import Slide

Labels = npt.NDArray[np.int8]

BAND = 16
"""Rows of cells that are filled at a time."""

HARD_SHARE = 0.5
"""Of the normal patches, the share that comes first from where a model calls tumour wrongly."""


@dataclass(frozen=True)
class Cut:
    """A patch of a slide.

    Attributes:
        x: left edge in level-0 pixels.
        y: upper edge.
        label: 1 where the centre holds tumour, else 0.
        pixels: uint8 96×96×3.
    """

    x: float
    y: float
    label: int
    pixels: npt.NDArray[np.uint8]


def labels_of(grid: Grid, tissue: npt.NDArray[np.bool_], annotations: Iterable[Annotation]) -> Labels:
    """Return for each cell 1 where it holds tumour, 0 where it is other tissue and -1 where it is none, rows×columns.

    Args:
        grid: the cells.
        tissue: which of them are tissue, bool rows×columns.
        annotations: in level-0 pixels; those whose class means tumour count.
    """
    labels = np.where(tissue, 0, -1).astype(np.int8)
    for polygon in (polygon for each in annotations if each.is_tumour for polygon in each.polygons):
        hit = cells_inside(polygon, tissue.shape, origin=grid.origin, pixel=grid.scale, step=grid.step)
        if not hit.any():  # smaller than a pixel, or outside of all cells
            column, row = np.floor((polygon[0].mean(axis=0) - grid.origin) / grid.side).astype(int)
            hit[max(row, 0) : max(row + 1, 0), max(column, 0) : max(column + 1, 0)] = True
        labels[hit & tissue] = 1
    return labels


def cells_inside(
    polygon: Polygon, shape: tuple[int, ...], *, origin: tuple[float, float], pixel: float, step: int
) -> npt.NDArray[np.bool_]:
    """Return which cells, rows×columns, have a pixel whose middle lies inside a polygon and in no hole of it.

    Rows of pixels are filled between the edges that cross their middle (even-odd rule), some at a time, so that an area
    of any size takes little memory.

    Args:
        polygon: in level-0 pixels.
        shape: rows and columns of cells.
        origin: level-0 (x, y) of the first cell's upper left corner.
        pixel: side of a pixel in level-0 pixels.
        step: pixels along the side of a cell.
    """
    # In pixels, counted from the first cell's upper left corner.
    rings = [(ring - origin) / pixel for ring in polygon]
    edges = np.concatenate([np.stack([ring, np.roll(ring, -1, axis=0)], axis=1) for ring in rings])
    width, height = shape[1] * step, shape[0] * step
    (x0, y0), (x1, y1) = edges[:, 0].T, edges[:, 1].T
    left = int(np.clip(np.floor(x0.min() / step) * step, 0, width))
    right = int(np.clip(np.ceil(x0.max() / step) * step, left, width))
    top = int(np.clip(np.floor(y0.min() / step) * step, 0, height))
    bottom = int(np.clip(np.ceil(y0.max() / step) * step, top, height))
    found = np.zeros(shape, bool)
    for start in range(top, bottom, BAND * step):
        stop = min(start + BAND * step, bottom)
        first, last = (
            np.clip(np.ceil(edge(y0, y1) - 0.5), start, stop).astype(np.int64) for edge in (np.minimum, np.maximum)
        )
        crossed = np.repeat(np.arange(len(edges)), last - first)
        row = (
            np.arange(len(crossed)) - np.repeat(np.cumsum(last - first) - (last - first), last - first) + first[crossed]
        )
        slope = (x1[crossed] - x0[crossed]) / (y1[crossed] - y0[crossed])
        at = np.clip(np.ceil(x0[crossed] + (row + 0.5 - y0[crossed]) * slope - 0.5), left, right).astype(np.int64)
        crossings = np.zeros((stop - start, right - left + 1), np.uint8)
        np.add.at(crossings, (row - start, at - left), 1)
        inside = np.cumsum(crossings, axis=1, dtype=np.uint8)[:, :-1] & 1
        cells = inside.reshape((stop - start) // step, step, (right - left) // step, step).any(axis=(1, 3))
        found[start // step : stop // step, left // step : right // step] = cells
    return found


def drawn(labels: Labels, *, most: int, seed: int, hard: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.int64]:
    """Return (row, column) of the cells that are taken, int64 n×2: as many with tumour as without, as far as they go.

    Args:
        labels: see :func:`labels_of`.
        most: patches of each class.
        seed: of the draw.
        hard: bool rows×columns, where a model calls tumour; half of the normal patches come from there first.
    """
    random = np.random.default_rng(seed)
    tumour, normal = (random.permutation(np.argwhere(labels == label)) for label in (1, 0))
    count = min(most, len(tumour)) if len(tumour) else most
    if hard is not None and len(normal):
        is_hard = hard[normal[:, 0], normal[:, 1]]
        first = normal[is_hard][: round(count * HARD_SHARE)]
        normal = np.concatenate([first, normal[~is_hard]])
    chosen = np.concatenate([tumour[:count], normal[:count]]).astype(np.int64)
    return chosen[np.lexsort((chosen[:, 1], chosen[:, 0]))]  # row by row, so that neighbours are read together


def cut(slide: Slide, grid: Grid, labels: Labels, cells: npt.NDArray[np.int64]) -> Iterator[Cut]:
    """Yield the patches of some cells, (row, column) each. Raises :class:`DataError` where the slide is damaged."""
    for row, column in cells:
        x, y = int(column) * grid.step, int(row) * grid.step
        pixels = slide.read(x, y, PATCH_SIZE, PATCH_SIZE, scale=grid.scale)
        yield Cut(x * grid.scale, y * grid.scale, int(labels[row, column]), pixels)
