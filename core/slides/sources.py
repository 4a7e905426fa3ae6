"""Where the pixels of a slide come from: OpenSlide, an OME-TIFF or a plain picture, behind one small protocol."""

import logging
import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import openslide

from core.errors import DataError
from core.formatting import printable
from core.images.decode import decode_whole
from core.images.formats import FORMATS, kind_of
from core.images.limits import Limits
from core.images.mpp import from_tags, mpp_of

Pixels = npt.NDArray[np.uint8]
Size = tuple[int, int]

LONGEST_SIDE = 1_000_000
"""Level-0 pixels; the largest scanners make some 200,000."""

LARGEST_TILE = 100_000_000
"""Pixels; libraries take memory for a whole tile, and OpenSlide ends the process where there is not enough."""

_BROKEN = (
    ValueError, OSError, LookupError, TypeError, AttributeError, ZeroDivisionError, OverflowError, MemoryError,
    zlib.error, struct.error,
)  # fmt: skip
"""What tifffile and its decoders raise on damaged files; its own error is a ValueError."""

_BITS_PER_SAMPLE, _SHORT, _MOST_ENTRIES = 258, 3, 4096  # of TIFF 6.0; files have some dozen entries

GLASS = (255, 255, 255)
"""What was not scanned is shown white where a file names no colour."""


class Source(Protocol):
    """A slide's levels, the largest first, and what its file says of them.

    Attributes:
        vendor: who made the file, such as "aperio".
        sizes: (width, height) of each level in its own pixels.
        mpp: µm per level-0 pixel across and down; None where the file does not say.
        bounds: (x, y, width, height) in level-0 pixels of what was scanned.
        background: red, green and blue of what was not scanned.
    """

    vendor: str
    sizes: Sequence[Size]
    mpp: tuple[float, float] | None
    bounds: tuple[int, int, int, int]
    background: tuple[int, int, int]

    def pixels(self, level: int, x: int, y: int, width: int, height: int, /) -> Pixels:
        """Return uint8 height×width×3 at (x, y) of a level, in its own pixels; all of it lies inside."""

    def close(self) -> None:
        """Close the file."""


def open_source(path: Path) -> Source:
    """Open a slide of any kind that is read.

    Raises:
        DataError: there is none, it is damaged, or of another kind.
    """
    try:
        with path.open("rb") as file:
            start = file.read(1024)
    except IsADirectoryError:
        raise DataError(f"{path.name} is a folder; name a slide in it, of DICOM any one of its files.") from None
    except OSError as error:
        raise DataError.unreadable(path, error) from error
    kind = kind_of(start)
    if kind == "TIFF":
        if (bits := _bits(path)) > 8:
            raise DataError(
                f"{path.name} has {bits} bits per channel, and how much of that range is used is not known; save it "
                "with 8 bits."
            )
        if (ome := _as_ome(path)) is not None:
            return ome
    try:
        if openslide.OpenSlide.detect_format(path) is not None:
            return OpenSlideSource(path)
    except openslide.OpenSlideError as error:
        raise damaged(path, error) from error
    if kind in FORMATS:
        return PictureSource(path)
    raise DataError(
        f"{path.name} is {kind or 'of an unknown kind'}, and no slide that is read: SVS, NDPI, MRXS, SCN, BIF, DICOM, "
        "tiled TIFF, OME-TIFF, or a picture as TIFF, PNG or JPEG."
    )


def _bits(path: Path) -> int:
    """Return the bits per channel of a TIFF's first picture: OpenSlide would take the high 8 of 16 without a word.

    8 where it is not understood, as NDPI files above 4 GB are not: what reads the file next says what is wrong with it.
    """
    with path.open("rb") as file:
        start = file.read(16)
        order = "<" if start[:2] == b"II" else ">"
        is_big = start[2:4] in (b"+\0", b"\0+")  # 43, a BigTIFF
        offset, head, entry = ("Q", "Q", "HHQ8s") if is_big else ("I", "H", "HHI4s")
        try:
            file.seek(*struct.unpack_from(order + offset, start, 8 if is_big else 4))
            (count,) = struct.unpack(order + head, file.read(struct.calcsize(order + head)))
            entries = file.read(min(count, _MOST_ENTRIES) * struct.calcsize(order + entry))
            for tag, kind, values, held in struct.iter_unpack(order + entry, entries):
                if (tag, kind) == (_BITS_PER_SAMPLE, _SHORT) and 1 <= values <= 4:
                    if 2 * values > len(held):
                        file.seek(*struct.unpack(order + offset, held))
                        held = file.read(2)
                    (found,) = struct.unpack(order + "H", held[:2])
                    return int(found) if found in (16, 32, 64) else 8
        except (struct.error, OSError, OverflowError):
            pass
    return 8


def damaged(path: Path, error: Exception) -> DataError:
    """Return the error of a slide that cannot be read to the end."""
    reason = printable(" ".join(str(error).split()))[:160].rstrip(".")
    return DataError(f"{path.name} is damaged or cut off ({reason}); copy it again.")


class OpenSlideSource:
    """A slide that OpenSlide reads. Pictures of the label and of the whole glass are never touched."""

    def __init__(self, path: Path):
        self._path = path
        self._slide = openslide.OpenSlide(path)
        told = self._slide.properties
        self.vendor = told.get(openslide.PROPERTY_NAME_VENDOR, "")
        self.sizes: Sequence[Size] = list(self._slide.level_dimensions)
        for level in range(len(self.sizes)):
            sides = [int(told.get(f"openslide.level[{level}].tile-{side}", 0)) for side in ("width", "height")]
            if sides[0] * sides[1] > LARGEST_TILE:
                self._slide.close()
                raise damaged(path, ValueError(f"a tile of {sides[0]:,}×{sides[1]:,} pixels"))
        self._downsamples = self._slide.level_downsamples
        across, down = (_number(told.get(f"openslide.mpp-{axis}")) for axis in "xy")
        self.mpp = None if across is None or down is None else (across, down)
        width, height = self.sizes[0]
        x, y, w, h = (told.get(f"openslide.bounds-{name}") for name in ("x", "y", "width", "height"))
        self.bounds = (int(x or 0), int(y or 0), int(w or width), int(h or height))
        colour = told.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR)
        self.background = (int(colour[:2], 16), int(colour[2:4], 16), int(colour[4:6], 16)) if colour else GLASS

    def pixels(self, level: int, x: int, y: int, width: int, height: int, /) -> Pixels:
        """See :class:`Source`."""
        # OpenSlide takes the place in level-0 pixels, whole ones, and divides by its own idea of the level's scale.
        scale = self._downsamples[level]
        try:
            picture = self._slide.read_region((round(x * scale), round(y * scale)), level, (width, height))
        except openslide.OpenSlideError as error:
            raise damaged(self._path, error) from error
        if picture.getchannel("A").getextrema()[0] == 255:
            return np.asarray(picture.convert("RGB"))  # a third of the time that NumPy takes to leave out a channel
        read = np.asarray(picture)
        share = read[..., 3:] / np.float32(255)
        return np.rint(read[..., :3] * share + np.array(self.background, np.float32) * (1 - share)).astype(np.uint8)

    def close(self) -> None:
        """See :class:`Source`."""
        self._slide.close()


class PictureSource:
    """A picture that is decoded as a whole."""

    def __init__(self, path: Path):
        if path.stat().st_size > Limits().max_file_bytes:
            raise DataError(f"{path.name} is too large for a picture without tiles; save it as a tiled TIFF.")
        data = path.read_bytes()
        self._pixels = decode_whole(data, name=path.name).pixels
        self.vendor, self.background = "picture", GLASS
        height, width = self._pixels.shape[:2]
        self.sizes: Sequence[Size] = [(width, height)]
        self.bounds = (0, 0, width, height)
        mpp = mpp_of(data)
        self.mpp = None if mpp is None else (mpp, mpp)

    def pixels(self, _level: int, x: int, y: int, width: int, height: int, /) -> Pixels:
        """See :class:`Source`."""
        return self._pixels[y : y + height, x : x + width]

    def close(self) -> None:
        """See :class:`Source`."""


class OmeSource:
    """An OME-TIFF, read tile by tile through tifffile; colours in one page, or in three of the same size."""

    def __init__(self, path: Path, file: Any):
        self._path, self._file, self.vendor, self.background = path, file, "ome", GLASS
        first = file.series[0]
        self._levels = [[page and page.aspage() for page in level.pages] for level in first.levels]
        if not all(_holds_rgb(pages) for pages in self._levels):
            raise DataError(f"{path.name} is no 8-bit RGB picture (its axes are {first.axes}); export it as RGB.")
        self.sizes: Sequence[Size] = [(pages[0].imagewidth, pages[0].imagelength) for pages in self._levels]
        width, height = self.sizes[0]
        self.bounds = (0, 0, width, height)
        across, down, _ = from_tags({code: _plain(first.pages[0].tags.valueof(code)) for code in (270, 282, 283, 296)})
        self.mpp = None if across is None or down is None else (across, down)

    def pixels(self, level: int, x: int, y: int, width: int, height: int, /) -> Pixels:
        """See :class:`Source`."""
        pages = self._levels[level]
        try:
            planes = [self._page(page, x, y, width, height) for page in pages]
        except (*_BROKEN, RuntimeError) as error:
            if "imagecodecs" in str(error):
                raise DataError(
                    f"{self._path.name} is compressed in a way that needs one more package: pip install imagecodecs"
                ) from error
            raise damaged(self._path, error) from error
        return planes[0] if len(planes) == 1 else np.concatenate([plane[..., :1] for plane in planes[:3]], axis=2)

    def _page(self, page: Any, x: int, y: int, width: int, height: int) -> Pixels:
        """Return a part of a page, uint8 height×width×samples."""
        found = np.full((height, width, 3), 255, np.uint8)
        down, across = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
        if not 0 < down * across <= LARGEST_TILE:
            raise ValueError(f"a tile of {across:,}×{down:,} pixels")
        columns, rows = -(-page.imagewidth // across), -(-page.imagelength // down)
        separate = page.planarconfig == 2 and page.samplesperpixel > 1
        for plane in range(3 if separate else 1):
            for row in range(y // down, (y + height - 1) // down + 1):
                for column in range(x // across, (x + width - 1) // across + 1):
                    tile = self._segment(page, (plane * rows + row) * columns + column)
                    if tile is None:
                        continue
                    top, left = max(y, row * down), max(x, column * across)
                    bottom, right = min(y + height, (row + 1) * down), min(x + width, (column + 1) * across)
                    part = tile[
                        top - row * down : bottom - row * down, left - column * across : right - column * across
                    ]
                    into = found[top - y : bottom - y, left - x : right - x]
                    if separate:
                        into[..., plane] = part[..., 0]
                    else:
                        into[:] = part[..., :3]
        return found

    def _segment(self, page: Any, index: int) -> Pixels | None:
        """Return one tile or strip as height×width×samples; None where the file left it out."""
        offset, count = page.dataoffsets[index], page.databytecounts[index]
        if not count:
            return None
        data = self._file.filehandle.read_segments([offset], [count], lock=self._file.filehandle.lock)
        tile = page.decode(next(iter(data))[0], index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)[0]
        return None if tile is None else np.asarray(tile[0], np.uint8)

    def close(self) -> None:
        """See :class:`Source`."""
        self._file.close()


def _as_ome(path: Path) -> OmeSource | None:
    """Return the source of an OME-TIFF; None of any other TIFF.

    Raises:
        DataError: it is one, and tifffile is missing; or it is damaged.
    """
    with path.open("rb") as start:
        if b"<OME" not in start.read(1 << 20) and not path.name.lower().endswith((".ome.tif", ".ome.tiff")):
            return None
    try:
        import tifffile
    except ImportError:
        raise DataError(f"{path.name} is an OME-TIFF, which needs one more package: pip install tifffile") from None
    # It prints what it finds wrong in a file where nobody else takes its messages.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    file = None
    try:
        file = tifffile.TiffFile(path)
        return OmeSource(path, file)
    except (
        ValueError,
        OSError,
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        ZeroDivisionError,
        DataError,
    ) as error:
        if file is not None:
            file.close()
        raise (error if isinstance(error, DataError) else damaged(path, error)) from error


def _holds_rgb(pages: Sequence[Any]) -> bool:
    if not pages or any(page is None or page.dtype != np.uint8 for page in pages):
        return False
    samples = pages[0].samplesperpixel
    return samples >= 3 if len(pages) == 1 else samples == 1 and len(pages) == 3


def _plain(value: Any) -> object:
    """Return the value of a tag as Pillow gives it: a fraction as a number."""
    if isinstance(value, tuple) and len(value) == 2 and value[1]:
        return float(Fraction(*value))
    return value


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else 0.0
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
