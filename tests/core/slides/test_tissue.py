"""Tissue, dust, ink and glass are told apart."""

from pathlib import Path

import numpy as np
import pytest

from core.slides.reader import Slide
from core.slides.tissue import find_tissue, tissue_of
from tests.core.slides.test_reader import SHARED, real_slides

PINK, PALE, GREY, BLUE_INK, GREEN_INK, BLACK_INK = (
    (200, 130, 180), (239, 226, 237), (205, 205, 205), (40, 60, 200), (30, 150, 60), (25, 25, 27),
)  # fmt: skip
RED_INK = (215, 30, 45)
TINT = (228, 226, 229)
SIDE = 200  # pixels of 8 µm, 1.6 mm


def with_square(colour: tuple[int, int, int], side: int = 60, *, glass=(243, 242, 244)) -> np.ndarray:
    picture = np.empty((SIDE, SIDE, 3), np.uint8)
    picture[:] = glass
    noise = np.random.default_rng(0).integers(-2, 3, picture.shape)
    picture[40 : 40 + side, 50 : 50 + side] = colour
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def found(picture: np.ndarray):
    return tissue_of(picture, scale=8.0, mpp=1.0)


@pytest.mark.parametrize("colour", [PINK, PALE, (90, 60, 140)])
def test_stained_tissue_is_found_where_it_lies(colour: tuple[int, int, int]) -> None:
    tissue = found(with_square(colour))

    expected = np.zeros((SIDE, SIDE), bool)
    expected[40:100, 50:110] = True
    assert (tissue.mask & expected).sum() >= 0.92 * expected.sum()
    assert (tissue.mask & ~expected).sum() <= 0.15 * expected.sum()
    assert not tissue.pen.any()


@pytest.mark.parametrize(
    "picture",
    [
        with_square((243, 242, 244)),
        with_square(GREY),
        with_square(PINK, 8),
        with_square((228, 226, 229), glass=(228, 226, 229)),
    ],
    ids=["glass", "grey dust", "a speck", "tinted glass"],
)
def test_glass_dust_and_specks_are_no_tissue(picture: np.ndarray) -> None:
    assert found(picture).mask.sum() == 0


@pytest.mark.parametrize("colour", [BLUE_INK, GREEN_INK, BLACK_INK, RED_INK])
def test_ink_is_found_and_is_no_tissue(colour: tuple[int, int, int]) -> None:
    tissue = found(with_square(colour))

    assert tissue.pen[45:95, 55:105].all()
    assert tissue.mask.sum() <= 60


def test_small_holes_are_filled_and_large_ones_stay() -> None:
    picture = with_square(PINK, 120)
    picture[60:70, 70:80] = 243  # 0.0064 mm²
    picture[90:150, 100:160] = 243  # 0.23 mm²

    tissue = found(picture)

    assert tissue.mask[60:70, 70:80].all()
    assert not tissue.mask[95:145, 105:155].any()


def test_fat_is_kept_though_its_cells_are_empty() -> None:
    picture = with_square((243, 242, 244))
    for line in range(0, 80, 6):  # thin pink walls 48 µm apart
        picture[40 + line, 50:130] = picture[40:120, 50 + line] = (226, 196, 218)

    assert found(picture).mask[45:115, 55:125].mean() > 0.9


def test_the_share_of_a_square_is_exact_by_area() -> None:
    tissue = found(with_square(PINK))
    object.__setattr__(tissue, "mask", np.zeros((10, 10), bool))
    tissue.mask[2:5, 3:7] = True

    shares = tissue.shares(np.array([24.0, 20.0, 0.0]), np.array([16.0, 12.0]), 8.0)

    # Squares of one pixel: at (3, 2) inside; half a pixel to the left and above, a quarter; outside.
    np.testing.assert_allclose(shares, [[1.0, 0.5, 0.0], [0.5, 0.25, 0.0]])


def test_the_scale_of_the_mask_is_8_micrometres(tmp_path: Path, write_slide) -> None:
    pixels = np.full((640, 800, 3), 244, np.uint8)
    pixels[160:480, 200:520] = PINK
    with Slide(write_slide(tmp_path / "a.tif", pixels, mpp=1.0)) as slide:
        tissue = find_tissue(slide, 1.0)

    assert tissue.mask.shape == (80, 100)
    assert tissue.scale == 8.0
    assert tissue.glass == (244, 244, 244)
    assert tissue.mask.sum() == pytest.approx(40 * 40, abs=170)  # 8 µm more on each side, by the window of texture


@real_slides
def test_a_quarter_of_the_real_lymph_node_is_tissue() -> None:
    with Slide(SHARED / "camelyon16-overview.dcm") as slide:
        tissue = find_tissue(slide, 28.97)

    assert 0.20 <= tissue.mask.mean() <= 0.30
    assert tissue.mask[300:400, 100:150].all()  # the metastasis
    assert not tissue.mask[:40].any()
    assert not tissue.pen.any()
