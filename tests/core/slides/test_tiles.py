"""Tiles lie on the slide to the pixel, and the map's picture holds its cells."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.display import SERIES, TUMOUR
from core.slides import tiles
from core.slides.outlines import Annotation
from core.slides.reader import Slide
from core.slides.slide_map import SlideMap


@pytest.fixture
def slide(tmp_path: Path) -> Slide:
    """600×300 pixels, in which red grows to the right and green downwards, slowly enough for JPEG."""
    y, x = np.mgrid[0:300, 0:600]
    pixels = np.dstack([x * 255 / 599, y * 255 / 299, np.full(x.shape, 128)]).round().astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "ramp.png")
    return Slide(tmp_path / "ramp.png")


def _map(probability: np.ndarray) -> SlideMap:
    zeros = np.zeros(probability.shape, np.float16)
    return SlideMap(probability.astype(np.float16), (32.0, 32.0), 32.0, 0.97, "d", zeros, 0, 0, 0, 0.0, "k")


def _decoded(data: bytes | None) -> np.ndarray:
    assert data is not None
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


@pytest.mark.parametrize("level", [10, 9, 7])
def test_the_tiles_of_a_level_put_together_are_the_slide_at_that_scale(slide: Slide, level: int) -> None:
    scale = 2 ** (tiles.top_level(slide.size) - level)
    width, height = math.ceil(600 / scale), math.ceil(300 / scale)
    whole = np.full((height, width, 3), -1)
    for row in range(math.ceil(height / tiles.TILE)):
        for column in range(math.ceil(width / tiles.TILE)):
            part = _decoded(tiles.tile(slide, level, column, row))
            left, upper = (max(0, at * tiles.TILE - tiles.OVERLAP) for at in (column, row))
            whole[upper : upper + part.shape[0], left : left + part.shape[1]] = part
    expected = slide.read(0, 0, width, height, scale=scale).astype(int)
    assert whole.min() >= 0
    assert np.abs(whole - expected).max() <= 6  # JPEG


@pytest.mark.parametrize("place", [(10, 3, 0), (10, 0, 2), (11, 0, 0), (-1, 0, 0), (10, -1, 0)])
def test_there_is_no_tile_outside_the_pyramid(slide: Slide, place: tuple[int, int, int]) -> None:
    assert tiles.tile(slide, *place) is None


def test_the_lowest_level_is_one_pixel(slide: Slide) -> None:
    assert _decoded(tiles.tile(slide, 0, 0, 0)).shape == (1, 1, 3)


def test_a_cell_of_the_picture_is_its_probability_and_0_is_no_tissue() -> None:
    found = _map(np.array([[np.nan, 0.0, 0.5], [1.0, 0.25, np.nan]]))
    data = tiles.map_picture(found)
    assert tiles.cells_a_pixel(found) == 1
    assert _decoded(data)[..., 0].tolist() == [[0, 1, 128], [255, 65, 0]]  # 1 + 254 · .25 = 64.5


def test_a_map_that_is_too_large_keeps_the_highest_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "MOST_CELLS", 4)
    values = np.array([[0.1, np.nan, 0.3], [0.9, 0.2, np.nan], [np.nan, np.nan, 0.5]])
    data = tiles.map_picture(_map(values))
    assert tiles.cells_a_pixel(_map(values)) == 2
    assert _decoded(data)[..., 0].tolist() == [[230, 77], [0, 128]]


def test_outlines_are_whole_pixels_with_the_colour_of_their_class() -> None:
    ring = np.array([[0.4, 0.6], [10.0, 0.0], [10.0, 9.7]])
    listed = [("Tumor", (1, 2, 3)), ("Stroma", (16, 32, 255)), ("", None), ("Stroma", None), ("Fat", None)]
    found = tiles.outlines([Annotation(name, ((ring,),), "one", colour) for name, colour in listed])
    assert found[0] == {"name": "one", "class": "Tumor", "colour": TUMOUR, "rings": [[[0, 1], [10, 0], [10, 10]]]}
    assert [(each["class"], each["colour"]) for each in found[1:]] == [
        ("Stroma", "#1020ff"), ("no class", SERIES[2]), ("Stroma", "#1020ff"), ("Fat", SERIES[3]),
    ]  # fmt: skip
