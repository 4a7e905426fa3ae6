"""What a cell says is what the bundle says of its patch, and a stopped attempt is continued to the same bytes."""

from pathlib import Path

import numpy as np
import pytest

from core.bundle import load_bundle
from core.data import Dataset
from core.errors import BundleError
from core.job import Cancelled
from core.prediction import Predictor
from core.prediction.ood_warnings import examine
from core.prediction.region import read_region
from core.scoring.chunks import Arrays
from core.slides import infer as module
from core.slides.infer import infer, journal
from core.slides.plan import STEPS, Block, Grid, blocks
from core.slides.reader import Slide


@pytest.fixture(scope="module")
def net() -> Predictor:
    return Predictor(load_bundle("nodescope-net"), device="cpu")


@pytest.fixture
def cells(tissue_pixels: np.ndarray) -> np.ndarray:
    """Of the small slide's grid of 32 px: the middles of its 4×4 patches, and a few between them."""
    cells = np.zeros((19, 22), bool)
    cells[3:15:3, 6:18:3] = True
    cells[4, 7:12] = True
    return cells


def test_a_cell_equals_the_prediction_of_its_very_patch(
    small_slide: Path, cells: np.ndarray, tissue_pixels: np.ndarray, small_demo: Dataset, net: Predictor
) -> None:
    cells = cells.copy()
    cells[5:9, 7:12] = True
    with Slide(small_slide) as slide:
        grid = Grid.of(slide.size, slide.mpp(), 32)
        found = infer(slide, grid, cells, net)

    patches = small_demo.store.load(np.arange(16)).pixels
    expected = net.predict(patches).probabilities
    np.testing.assert_array_equal(found.probability[3:15:3, 6:18:3].ravel(), expected.astype(np.float16))
    np.testing.assert_array_equal(np.isnan(found.probability), ~cells)
    # Of each 16 cells of a row or column one is examined, of each four rows and four columns one.
    rows, columns = np.nonzero((5 * np.indices(cells.shape)[0] + np.indices(cells.shape)[1]) % 16 == 0)
    chosen = cells[rows, columns]
    places = list(zip(rows[chosen].tolist(), columns[chosen].tolist(), strict=True))
    assert len(places) == found.examined == np.isfinite(found.ood).sum() > 0
    seen = [tissue_pixels[32 * row : 32 * row + 96, 32 * column : 32 * column + 96] for row, column in places]
    warned = examine(net, np.stack(seen))
    np.testing.assert_allclose(
        found.ood[tuple(zip(*places, strict=True))], [each.ood_score for each in warned], rtol=1e-6
    )


@pytest.mark.parametrize("mpp", [0.97, 0.4871])
def test_a_cell_equals_its_patch_read_alone_at_any_scale(mpp: float, small_slide: Path, net: Predictor) -> None:
    with Slide(small_slide) as slide:
        grid = Grid.of(slide.size, mpp, 32)
        cells = np.zeros((grid.rows, grid.columns), bool)
        cells[1:8, 2:7] = True
        found = infer(slide, grid, cells, net)
        for row, column in ((1, 2), (7, 6), (4, 3)):
            patch = slide.read(column * 32, row * 32, 96, 96, scale=grid.scale)
            assert found.probability[row, column] == net.predict(patch[None]).probabilities.astype(np.float16)[0]


def test_steps_of_8_pixels_are_those_of_a_region_map(
    small_slide: Path, tissue_pixels: np.ndarray, net: Predictor
) -> None:
    with Slide(small_slide) as slide:
        grid = Grid.of(slide.size, slide.mpp(), 8)
        cells = np.zeros((grid.rows, grid.columns), bool)
        cells[3:70, 20:80] = True
        found = infer(slide, grid, cells, net)

    expected = read_region(net, tissue_pixels).probabilities
    np.testing.assert_allclose(found.probability[cells], expected[cells], atol=5e-4)
    for block in blocks(cells, 8):
        x, y, width, height = block.region(8)
        values = module.predict_block(block, tissue_pixels[y : y + height, x : x + width], 8, net)["probability"]
        np.testing.assert_allclose(values, expected[block.places()], atol=1e-6)


def test_a_network_with_padding_makes_no_fine_map(small_slide: Path) -> None:
    with Slide(small_slide) as slide:
        grid = Grid.of(slide.size, slide.mpp(), 8)
        with pytest.raises(BundleError, match="Choose --bundle nodescope-net, or --step 32"):
            infer(slide, grid, np.ones((grid.rows, grid.columns), bool), Predictor(load_bundle(), device="cpu"))


def test_what_is_finished_is_not_done_again_and_gives_the_same_bits(
    small_slide: Path, tmp_path: Path, net: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STEPS, 32, 4)  # small blocks, so that there are several
    with Slide(small_slide) as slide:
        grid = Grid.of(slide.size, slide.mpp(), 32)
        cells = np.zeros((grid.rows, grid.columns), bool)
        cells[3:15, 6:18] = True
        whole = infer(slide, grid, cells, net)
        keep = journal(tmp_path, small_slide, grid, cells, net)

        def stop(share: float) -> None:
            if share > 0.4:
                raise Cancelled

        with pytest.raises(Cancelled):
            infer(slide, grid, cells, net, keep=keep, progress=stop)
        done = len(list(tmp_path.iterdir()))
        predicted: list[int] = []
        before = module.predict_block

        def noted(block: Block, *rest: object, **more: object) -> Arrays:
            predicted.append(block.number)
            return before(block, *rest, **more)

        monkeypatch.setattr(module, "predict_block", noted)
        again = infer(slide, grid, cells, net, keep=keep)

    total = len(list(tmp_path.iterdir()))
    assert 0 < done < total
    assert len(predicted) == total - done
    np.testing.assert_array_equal(again.probability, whole.probability)
    np.testing.assert_array_equal(again.ood, whole.ood)
    assert (again.examined, again.unlike, again.blurred) == (whole.examined, whole.unlike, whole.blurred)


def test_a_journal_is_of_one_file_grid_tissue_and_bundle(small_slide: Path, tmp_path: Path, net: Predictor) -> None:
    grid = Grid.of((768, 672), 0.97, 32)
    cells = np.ones((grid.rows, grid.columns), bool)
    fewer = cells.copy()
    fewer[0, 0] = False
    other = tmp_path / "other.tif"
    other.write_bytes(b"another")
    default = Predictor(load_bundle(), device="cpu")

    keys = {
        journal(tmp_path, *given).key
        for given in (
            (small_slide, grid, cells, net), (small_slide, grid, fewer, net), (other, grid, cells, net),
            (small_slide, Grid.of((768, 672), 0.96, 32), cells, net), (small_slide, grid, cells, default),
        )
    }  # fmt: skip

    assert len(keys) == 5
    assert journal(tmp_path, small_slide, grid, cells, net).key in keys
