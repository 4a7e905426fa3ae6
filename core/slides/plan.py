"""The grid of a slide: which patches are predicted, where they lie, and in which blocks they are read.

A cell is the middle of one 96×96 patch at the model's µm per pixel: 32×32 pixels of it for a step of 32, which tile the
slide as the labelled centres do; 8×8 for a step of 8; the whole patch for a step of 96. Places are whole model pixels,
and a level-0 place is that times the scale, computed anew for each: nothing adds up.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from core.images.patch import MICROMETRES_PER_PIXEL, PATCH_SIZE
from core.slides.tissue import Tissue

STEPS = {32: 32, 96: 16, 8: 96}
"""Step in model pixels -> most cells along each side of a block, which is then 1088, 1536 or 856 pixels wide."""

_OF_A_BLOCK = {32: 200_000, 96: 200_000, 8: 20_000}
"""By step: pixels that take as long as a block does however small it is, measured on a CPU. At a step of 8 pixels are
read and predicted, at the others only read: what is predicted are cells, in batches of which each block fills one."""

LEAST_SHARE = 0.25
"""A cell counts as tissue if this share of it is: less is the edge of a piece."""


@dataclass(frozen=True)
class Grid:
    """The cells of a slide.

    Attributes:
        step: side of a cell in model pixels.
        rows: cells down.
        columns: cells across.
        scale: level-0 pixels a model pixel.
    """

    step: int
    rows: int
    columns: int
    scale: float

    @classmethod
    def of(cls, size: tuple[int, int], mpp: float, step: int, *, name: str = "The slide") -> "Grid":
        """Return the grid of a slide of (width, height) level-0 pixels with `mpp` µm each.

        Raises:
            ConfigError: there is no such step.
            DataError: the slide is smaller than a patch.
        """
        if step not in STEPS:
            raise ConfigError(f"--step must be {', '.join(map(str, sorted(STEPS)))}, got {step}.")
        scale = MICROMETRES_PER_PIXEL / mpp
        # 1e-6, so that a length that is whole but for rounding does not lose a cell.
        columns, rows = (int((side / scale - PATCH_SIZE) / step + 1e-6) + 1 for side in size)
        if min(size) / scale < PATCH_SIZE - 1e-6:
            raise DataError(
                f"{name} has {size[0]}×{size[1]} pixels of {mpp:.3g} µm, less than one patch of "
                f"{PATCH_SIZE}×{PATCH_SIZE} at {MICROMETRES_PER_PIXEL} µm."
            )
        return cls(step, rows, columns, scale)

    @property
    def side(self) -> float:
        """Side of a cell in level-0 pixels."""
        return self.step * self.scale

    @property
    def origin(self) -> tuple[float, float]:
        """(x, y) of the first cell's upper left corner in level-0 pixels."""
        start = (PATCH_SIZE - self.step) / 2 * self.scale
        return start, start

    def tissue_cells(self, tissue: Tissue) -> npt.NDArray[np.bool_]:
        """Return which cells are tissue, bool rows×columns."""
        start, first = (PATCH_SIZE - self.step) / 2, self.step
        x, y = (np.asarray((start + np.arange(n) * first) * self.scale) for n in (self.columns, self.rows))
        return np.asarray(tissue.shares(x, y, self.side) >= LEAST_SHARE)


@dataclass(frozen=True, eq=False)
class Block:
    """Cells that are read and predicted together.

    Attributes:
        number: of the block in its slide; the same whatever else is done.
        row: of its first cell in the grid.
        column: likewise.
        cells: bool, which of its cells are predicted; every edge row and column has one.
    """

    number: int
    row: int
    column: int
    cells: npt.NDArray[np.bool_]

    def region(self, step: int) -> tuple[int, int, int, int]:
        """Return (x, y, width, height) in model pixels of all that the patches of its cells see."""
        rows, columns = self.cells.shape
        width, height = (step * (count - 1) + PATCH_SIZE for count in (columns, rows))
        return self.column * step, self.row * step, width, height

    def halves(self) -> list["Block"]:
        """Return what is on both sides of the middle of the longer side."""
        axis = int(self.cells.shape[1] > self.cells.shape[0])
        first, second = np.array_split(self.cells, 2, axis=axis)
        beside = (0, first.shape[1]) if axis else (len(first), 0)
        return [Block(0, self.row, self.column, first), Block(0, self.row + beside[0], self.column + beside[1], second)]

    def places(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return row and column in the grid of each predicted cell, in the order of their predictions."""
        rows, columns = np.nonzero(self.cells)
        return rows + self.row, columns + self.column


def blocks(cells: npt.NDArray[np.bool_], step: int) -> Iterator[Block]:
    """Yield the blocks that have cells to be predicted, row by row.

    Args:
        cells: bool rows×columns, see :meth:`Grid.tissue_cells`.
        step: side of a cell in model pixels.
    """
    side, number = STEPS[step], 0
    for row in range(0, cells.shape[0], side):
        for column in range(0, cells.shape[1], side):
            for block in _divided(Block(0, row, column, cells[row : row + side, column : column + side]), step)[1]:
                yield replace(block, number=number)
                number += 1


def _divided(block: Block, step: int) -> tuple[int, list[Block]]:
    """Return a block without empty edges, or its halves where these are less work in all, and the pixels of work.

    Large blocks overlap less, but cover more that is no tissue.
    """
    if not block.cells.any():
        return 0, []
    top, bottom = _ends(block.cells, axis=1)
    left, right = _ends(block.cells, axis=0)
    whole = Block(0, block.row + top, block.column + left, block.cells[top:bottom, left:right])
    _, _, width, height = whole.region(step)
    work = width * height + _OF_A_BLOCK[step]
    if whole.cells.all() or work <= 2 * _OF_A_BLOCK[step] + int(whole.cells.sum()) * step**2:
        return work, [whole]  # no division can be less
    found = [_divided(half, step) for half in whole.halves()]
    of_halves = sum(each for each, _ in found)
    return (work, [whole]) if work <= of_halves else (of_halves, [block for _, parts in found for block in parts])


def _ends(part: npt.NDArray[np.bool_], *, axis: int) -> tuple[int, int]:
    found = np.flatnonzero(part.any(axis=axis))
    return int(found[0]), int(found[-1]) + 1
