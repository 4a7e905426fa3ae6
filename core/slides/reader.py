"""A slide at any scale: level-0 pixels, µm per pixel that are known or refused, and regions by area reduction.

Pixel (u, v) at a scale of f level-0 pixels covers the level-0 square from (u·f, v·f) to ((u+1)·f, (v+1)·f). Each is
computed from its own index, so that positions do not drift over the slide, and whatever else is read with it: the same
pixel has the same bits in every region.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from core.formatting import printable
from core.images.mpp import LEAST_MPP
from core.images.resample import area_means
from core.images.tiling import COARSEST
from core.slides.sources import LONGEST_SIDE, Pixels, Size, Source, open_source

TILE = 256
"""Side of the pieces that are read and kept, in pixels of their level; most files have tiles of this size."""

AT_ONCE = 8_000_000
"""Pixels of a level that are put together before they are reduced."""

CACHED_BYTES = 48 * 2**20
CLOSE = 0.02
"""A level that is this near to the wanted scale is taken as it is, by nearest pixel: averaging would blur every now and
then, and a pixel is at most half a pixel from its place."""

UNEQUAL = 0.01

BY_OPTION = "Give it with --mpp, such as --mpp 0.25 for a scan at 40×, or as a CSV with the columns slide,mpp."
"""What a command can do where the scale is not known; the page has a field instead."""


@dataclass(frozen=True)
class Level:
    """One level of a slide.

    Attributes:
        size: (width, height) in its own pixels.
        downsample: level-0 pixels a pixel, across and down.
    """

    size: Size
    downsample: tuple[float, float]


class Slide:
    """An open slide; may be shared by threads. A context manager that closes it.

    Attributes:
        name: the file's name, fit to be printed.
        levels: the largest first.

    Args:
        path: the file; of DICOM and MRXS any one of its files or the .mrxs.

    Raises:
        DataError: there is no such slide, it is damaged, or of a kind that is not read.
    """

    def __init__(self, path: Path, source: Source | None = None):
        self.name = printable(path.name)
        self._source = open_source(path) if source is None else source
        width, height = self._source.sizes[0]
        if not 1 <= min(width, height) <= max(width, height) <= LONGEST_SIDE:
            raise DataError(f"{self.name} says that it has {width:,}×{height:,} pixels, which no slide has.")
        self.levels = [Level(size, _downsample((width, height), size)) for size in self._source.sizes]
        self._tiles: OrderedDict[tuple[int, int, int], Pixels] = OrderedDict()
        self._lock = threading.Lock()
        self._room = CACHED_BYTES // (TILE * TILE * 3)

    @property
    def size(self) -> Size:
        """(width, height) in level-0 pixels."""
        return self.levels[0].size

    @property
    def said_mpp(self) -> tuple[float, float] | None:
        """µm per level-0 pixel across and down as the file says, whatever that is; None where it says nothing."""
        return self._source.mpp

    @property
    def vendor(self) -> str:
        """Who made the file, such as "aperio"."""
        return self._source.vendor

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """(x, y, width, height) in level-0 pixels of what was scanned; QuPath counts from there."""
        return self._source.bounds

    @property
    def background(self) -> tuple[int, int, int]:
        """Red, green and blue of what was not scanned."""
        return self._source.background

    def mpp(self, given: float | None = None) -> float:
        """Return µm per level-0 pixel.

        Args:
            given: what the user says, which goes before what the file says.

        Raises:
            DataError: the file does not say, says what cannot be, or different values across and down.
            ConfigError: what the user says cannot be.
        """
        if given is not None:
            if not LEAST_MPP <= given <= COARSEST:
                raise ConfigError(f"{given:g} µm per pixel is out of range; give {LEAST_MPP} to {COARSEST}.")
            return given
        said = self.said_mpp
        if said is None:
            raise DataError(f"{self.name} does not say how many µm a pixel is wide. {BY_OPTION}")
        across, down = said
        if abs(across / down - 1) > UNEQUAL:
            raise DataError(
                f"{self.name} says {across:.4g} µm per pixel across and {down:.4g} down, which must be equal. "
                f"{BY_OPTION}"
            )
        mean = (across + down) / 2
        if mean < LEAST_MPP:
            raise DataError(f"{self.name} says {mean:.3g} µm per pixel, which no scan of tissue has. {BY_OPTION}")
        if mean > COARSEST:
            raise DataError(
                f"{self.name} says {mean:.4g} µm per pixel, but at most {COARSEST} can be used: coarser pictures lack "
                f"the detail that a model reads. Scan finer, or correct it. {BY_OPTION}"
            )
        return mean

    def level_for(self, scale: float) -> int:
        """Return the number of the coarsest level that still has the detail of `scale` level-0 pixels a pixel."""
        fits = [n for n, level in enumerate(self.levels) if max(level.downsample) <= scale * (1 + CLOSE)]
        return max(fits, default=0, key=lambda n: self.levels[n].downsample)

    def read(self, x: int, y: int, width: int, height: int, *, scale: float = 1.0) -> Pixels:
        """Return a region as uint8 height×width×3; what lies outside the slide has its background.

        Args:
            x: left edge, in pixels of this scale.
            y: upper edge, likewise.
            width: in pixels of this scale.
            height: likewise.
            scale: level-0 pixels a pixel.

        Raises:
            DataError: the file is damaged there.
        """
        number = self.level_for(scale)
        level = self.levels[number]
        columns = _Axis.of(x, width, scale / level.downsample[0], level.size[0])
        rows = _Axis.of(y, height, scale / level.downsample[1], level.size[1])
        result = np.empty((height, width, 3), np.uint8)
        result[:] = self.background
        inside = slice(*columns.inside)
        if inside.start >= inside.stop or rows.inside[0] >= rows.inside[1]:
            return result
        first, last = columns.span(*columns.inside)
        band = max(1, int(AT_ONCE / (last - first) / max(1.0, rows.factor)))
        for start in range(rows.inside[0], rows.inside[1], band):
            stop = min(start + band, rows.inside[1])
            top, bottom = rows.span(start, stop)
            pixels = self._region(number, first, top, last - first, bottom - top)
            result[start:stop, inside] = _reduced(pixels, rows, (start, stop), columns)
        return result

    def _region(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        """Return a part of a level, put together from tiles at fixed places, so that no pixel depends on the part."""
        found = np.empty((height, width, 3), np.uint8)
        for row in range(y // TILE, (y + height - 1) // TILE + 1):
            for column in range(x // TILE, (x + width - 1) // TILE + 1):
                tile = self._tile(level, column, row)
                top, left = row * TILE, column * TILE
                upper, lower = max(y, top), min(y + height, top + tile.shape[0])
                near, far = max(x, left), min(x + width, left + tile.shape[1])
                found[upper - y : lower - y, near - x : far - x] = tile[
                    upper - top : lower - top, near - left : far - left
                ]
        return found

    def _tile(self, level: int, column: int, row: int) -> Pixels:
        key = (level, column, row)
        with self._lock:
            if key in self._tiles:
                self._tiles.move_to_end(key)
                return self._tiles[key]
        width, height = self.levels[level].size
        x, y = column * TILE, row * TILE
        tile = np.ascontiguousarray(self._source.pixels(level, x, y, min(TILE, width - x), min(TILE, height - y)))
        with self._lock:
            self._tiles[key] = tile
            while len(self._tiles) > self._room:
                self._tiles.popitem(last=False)
        return tile

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def given_mpp(name: str, given: float | Mapping[str, float] | None) -> float | None:
    """Return what the user says of one slide: a number for all, or one by the name with or without its suffix."""
    if not isinstance(given, Mapping):
        return given
    return given.get(name, given.get(Path(name).stem))


@dataclass(frozen=True)
class _Axis:
    """Which pixels of a level go into which of a region, along one axis.

    Attributes:
        start: number of the first pixel of the region.
        count: pixels of the region.
        factor: pixels of the level a pixel of the region.
        length: pixels of the level.
        inside: from and up to which pixel, counted in the region, there is anything of the level.
    """

    start: int
    count: int
    factor: float
    length: int
    inside: tuple[int, int]

    @classmethod
    def of(cls, start: int, count: int, factor: float, length: int) -> "_Axis":
        # A pixel belongs to the slide from half its width on, so that rounding adds no column.
        total = max(1, int(length / factor + 0.5))
        first, last = (min(max(edge - start, 0), count) for edge in (0, total))
        return cls(start, count, factor, length, (first, last))

    @property
    def is_nearest(self) -> bool:
        return abs(self.factor - 1) <= CLOSE

    def edges(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        """Return where pixels begin and end in the level, (stop - start + 1,)."""
        return np.asarray(np.minimum((self.start + np.arange(start, stop + 1)) * self.factor, self.length))

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Return the first pixel of the level that is needed, and the one after the last."""
        if self.is_nearest:
            near = self.nearest(start, stop)
            return int(near[0]), int(near[-1]) + 1
        edges = self.edges(start, stop)
        return int(edges[0]), min(int(np.ceil(edges[-1])), self.length)

    def nearest(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Return for each pixel the one of the level that covers its middle."""
        middle = (self.start + np.arange(start, stop) + 0.5) * self.factor
        return np.minimum(middle.astype(np.int64), self.length - 1)


def _reduced(pixels: Pixels, rows: _Axis, part: tuple[int, int], columns: _Axis) -> Pixels:
    """Return rows `part` of a region from the pixels of the level that they cover."""
    if rows.is_nearest and columns.is_nearest:
        across, down = columns.nearest(*columns.inside), rows.nearest(*part)
        return np.asarray(pixels[(down - down[0])[:, None], across - across[0]])
    tops, lefts = rows.edges(*part), columns.edges(*columns.inside)
    return area_means(pixels, tops - rows.span(*part)[0], lefts - columns.span(*columns.inside)[0])


def _downsample(whole: Size, size: Size) -> tuple[float, float]:
    """Return how many level-0 pixels a pixel of a level is wide and high.

    Levels are made by whole numbers, and what is left over at the right and lower edge is cut off or filled up: the
    quotient of the sizes is then a little off, which over a slide adds up to pixels.
    """
    across, down = whole[0] / size[0], whole[1] / size[1]
    near = round((across + down) / 2)
    if near >= 1 and all(abs(side / near - given) <= 1 for side, given in zip(whole, size, strict=True)):
        return float(near), float(near)
    return across, down
