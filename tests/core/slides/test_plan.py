"""The cells tile the slide, each is the middle of its patch, and blocks hold each of them once."""

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from core.slides.plan import Grid, blocks


@pytest.mark.parametrize(("step", "shape", "origin"), [(32, (19, 22), 32.0), (96, (7, 8), 0.0), (8, (73, 85), 44.0)])
def test_the_grid_of_a_slide_at_the_models_scale(step: int, shape: tuple[int, int], origin: float) -> None:
    grid = Grid.of((768, 672), 0.97, step)

    assert (grid.rows, grid.columns) == shape
    assert grid.origin == (origin, origin)
    assert grid.side == step


def test_origin_and_side_scale_with_the_pixels() -> None:
    grid = Grid.of((4000, 4000), 0.2425, 32)

    assert grid.scale == pytest.approx(4.0)
    assert grid.origin == pytest.approx((128.0, 128.0))
    assert grid.side == pytest.approx(128.0)
    assert grid.columns == (1000 - 96) // 32 + 1


def test_a_slide_smaller_than_a_patch_and_an_odd_step_are_refused() -> None:
    with pytest.raises(DataError, match="less than one patch of 96×96"):
        Grid.of((300, 4000), 0.25, 32)
    with pytest.raises(ConfigError, match="--step must be 8, 32, 96, got 16"):
        Grid.of((4000, 4000), 0.25, 16)


@pytest.mark.parametrize("step", [8, 32, 96])
def test_blocks_hold_each_cell_once_and_no_other(step: int) -> None:
    cells = np.random.default_rng(1).random((150, 170)) < 0.02
    seen = np.zeros(cells.shape, int)
    for block in blocks(cells, step):
        seen[block.places()] += 1
        edges = (block.cells[0], block.cells[-1], block.cells[:, 0], block.cells[:, -1])
        assert all(edge.any() for edge in edges)
        x, y, width, height = block.region(step)
        assert (x, y) == (block.column * step, block.row * step)
        assert (width - 96) // step + 1 == block.cells.shape[1]
        assert (height - 96) // step + 1 == block.cells.shape[0]

    np.testing.assert_array_equal(seen, cells)


def test_blocks_are_numbered_and_as_large_as_pays() -> None:
    full = np.ones((192, 96), bool)
    ragged = np.zeros((96, 96), bool)
    ragged[:30, :30] = ragged[70:, 80:] = ragged[90, 3] = True

    assert [(block.number, block.row, block.cells.shape) for block in blocks(full, 8)] == [
        (0, 0, (96, 96)), (1, 96, (96, 96))
    ]  # fmt: skip
    found = list(blocks(ragged, 8))
    assert [block.number for block in found] == [0, 1, 2]
    assert {(block.row, block.column, block.cells.shape) for block in found} == {
        (0, 0, (30, 30)), (70, 80, (26, 16)), (90, 3, (1, 1))
    }  # fmt: skip
    near = np.ones((30, 30), bool)
    near[15, 15] = False  # not worth more blocks
    assert len(list(blocks(near, 8))) == 1
