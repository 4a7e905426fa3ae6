"""What a viewer asks of a slide: Deep Zoom tiles, its map as one picture, and outlines in level-0 pixels.

Level k of a Deep Zoom pyramid has the whole slide at 2^(n-k) level-0 pixels a pixel, where level n is the slide itself.
Tiles of neighbours share a column of pixels, so that no seam shows between them.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from core.display import SERIES, TUMOUR, to_jpeg, to_png
from core.slides.outlines import Annotation
from core.slides.reader import Slide
from core.slides.slide_map import SlideMap

TILE = 254
OVERLAP = 1
"""Pixels that a tile has beyond its own on each inner side: 254 + 2 are 256."""

NO_CLASS = "no class"

MOST_CELLS = 16_000_000
"""Cells of a map that a browser gets; Safari draws no larger picture."""


def top_level(size: tuple[int, int]) -> int:
    """Return the number of the level that is the slide itself, of (width, height) pixels."""
    return math.ceil(math.log2(max(size)))


def tile(slide: Slide, level: int, column: int, row: int) -> bytes | None:
    """Return a tile as JPEG, or None if the pyramid has none there.

    Raises:
        DataError: the slide is damaged there.
    """
    top = top_level(slide.size)
    if not 0 <= level <= top:
        return None
    scale = 2.0 ** (top - level)
    (left, right), (upper, lower) = (
        _edges(number, math.ceil(side / scale)) for number, side in zip((column, row), slide.size, strict=True)
    )
    if right <= left or lower <= upper:
        return None
    return to_jpeg(slide.read(left, upper, right - left, lower - upper, scale=scale), quality=85)


def cells_a_pixel(found: SlideMap) -> int:
    """Return how many cells wide and high a pixel of :func:`map_picture` is: 1, or a power of 2 for very large maps."""
    cells, (rows, columns) = 1, found.probability.shape
    while math.ceil(rows / cells) * math.ceil(columns / cells) > MOST_CELLS:
        cells *= 2
    return cells


def map_picture(found: SlideMap) -> bytes:
    """Return the probabilities as a grey PNG.

    A cell without tissue is 0, a probability p is 1 + round(254·p). A pixel holds the highest of the cells that
    :func:`cells_a_pixel` says.
    """
    probability = found.probability
    for _ in range(cells_a_pixel(found).bit_length() - 1):
        probability = _halved(probability)
    levels = np.where(np.isnan(probability), 0, 1 + np.rint(probability.astype(np.float32) * 254)).astype(np.uint8)
    return to_png(np.repeat(levels[..., None], 3, axis=2))


def outlines(annotations: Iterable[Annotation]) -> list[dict[str, Any]]:
    """Return annotations for the viewer: name, class, colour, and rings of whole level-0 pixels.

    Tumour has its own colour everywhere, other classes the one of their file, or else the next of the palette.
    """
    colours: dict[str, str] = {}
    found = []
    for each in annotations:
        name = each.classification or NO_CLASS
        if name not in colours:
            own = "#{:02x}{:02x}{:02x}".format(*each.colour) if each.colour else SERIES[len(colours) % len(SERIES)]
            colours[name] = TUMOUR if each.is_tumour else own
        rings = [np.rint(ring).astype(int).tolist() for polygon in each.polygons for ring in polygon]
        found.append({"name": each.name, "class": name, "colour": colours[name], "rings": rings})
    return found


def _edges(number: int, length: int) -> tuple[int, int]:
    """Return the first pixel of tile `number` along a side of `length` pixels, and the one after its last."""
    return max(0, number * TILE - OVERLAP), min(length, (number + 1) * TILE + OVERLAP) if number >= 0 else 0


def _halved(probability: npt.NDArray[np.float16]) -> npt.NDArray[np.float16]:
    rows, columns = probability.shape
    even = np.full((rows + rows % 2, columns + columns % 2), np.nan, np.float16)
    even[:rows, :columns] = probability
    # fmax takes the number where the other is NaN.
    pairs = np.fmax(even[::2], even[1::2])
    halved: npt.NDArray[np.float16] = np.fmax(pairs[:, ::2], pairs[:, 1::2])
    return halved
