"""Decoding one image file into a 96×96 patch, or refusing it in one sentence.

No change is silent: whatever was done to the picture (cropped, rotated, laid over white) comes back as a
note, and what cannot become an 8-bit RGB patch faithfully is refused. Only the pixels are handed on; EXIF,
colour profiles and other metadata end here.

Pillow by itself would make 16-bit grey white and float pixels black, keep the high bytes of 16-bit RGB, drop
transparency, and take the first page, all silently (seen with Pillow 13.0), so each of these is decided here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

from core.errors import PatchError
from core.images.colour_modes import EXTRA_NOTE, RefusedError, check_colours, has_extra_channels, to_rgb
from core.images.formats import COMPRESSION, count_pages, is_never_read, tiff_problem
from core.images.patch import PATCH_SIZE
from core.images.plain_tiff import plain_pixels
from core.images.quiet import quiet_pillow
from core.images.sizes import HOW
from core.images.upright import choose_page, load_upright, open_picture, too_many

MAX_PIXELS = 100_000_000
"""Most pixels that are decoded: 10,000×10,000 covers camera photographs and costs 0.4 GB."""


@dataclass(frozen=True)
class DecodedPatch:
    """One image as the model will see it.

    Attributes:
        pixels: uint8 array of shape 96×96×3, RGB.
        notes: What was done to the picture, one plain sentence each; empty when it was taken as it is.
    """

    pixels: npt.NDArray[np.uint8]
    notes: tuple[str, ...]


def decode_patch(data: bytes, *, name: str = "image", max_pixels: int = MAX_PIXELS) -> DecodedPatch:
    """Decode TIFF, PNG, JPEG or WebP bytes into the patch in the centre; the content decides, not the file's suffix.

    The centre of a W×H picture is the 96×96 square whose left edge is column ``(W - 96) // 2`` and whose top
    edge is row ``(H - 96) // 2``: an odd remainder leaves the extra column on the right and the extra row at
    the bottom. Transparent pixels are laid over white: ``round((alpha * colour + (255 - alpha) * 255) /
    255)``.

    Args:
        data: The whole file.
        name: What to call the file in an error; it is written nowhere else.
        max_pixels: Pictures with more pixels are refused before they are decoded (at most 178,956,970).

    Returns:
        The patch with notes on what was done to it.

    Raises:
        PatchError: The bytes cannot be used as a patch; "name: one sentence on what is wrong and what to do".
    """
    if (pixels := plain_pixels(data)) is not None:
        return DecodedPatch(pixels, ())
    return load_picture(data, name=name, least=PATCH_SIZE, max_pixels=max_pixels).patch()


def decode_exact(data: bytes, *, name: str = "image") -> DecodedPatch:
    """Decode a file of a data set as :func:`decode_patch`, but refuse a larger one: its label is of another centre."""
    if (pixels := plain_pixels(data)) is not None:
        return DecodedPatch(pixels, ())
    return load_picture(data, name=name, least=PATCH_SIZE, most=PATCH_SIZE).patch()


@dataclass(frozen=True, eq=False)
class Whole:
    """A whole picture at the scale at which patches are cut from it.

    Attributes:
        pixels: uint8 H×W×3, RGB, upright.
        notes: what was done to it, a sentence each.
    """

    pixels: npt.NDArray[np.uint8]
    notes: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.pixels.shape[1], self.pixels.shape[0]


def decode_whole(data: bytes, *, name: str = "image", max_pixels: int = MAX_PIXELS) -> Whole:
    """Decode a whole picture of any size; arguments and errors as :func:`decode_patch`, but small ones are taken."""
    return load_picture(data, name=name, max_pixels=max_pixels).whole()


@dataclass(frozen=True, eq=False)
class LoadedPicture:
    """An image whose pixels are in memory, upright and in their own colours: decoded once, cut as often as needed.

    Attributes:
        name: what to call the file in an error.
        image: the upright picture.
        notes: what was done to it so far, a sentence each.
        extra: what is to be said of channels beside its colours.
    """

    name: str
    image: Image.Image
    notes: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.size

    def patch(self, at: tuple[int, int] | None = None) -> DecodedPatch:
        """Return the patch at (x, y), from the centre by default; errors as of :func:`decode_patch`."""
        with _named(self.name):
            _check_sides(self.size, PATCH_SIZE)
            left, top = corner_of(self.size, at)
            # Cut before the colours are converted: a photograph of 100 million pixels would take 0.3 GB more.
            box = (left, top, left + PATCH_SIZE, top + PATCH_SIZE)
            pixels, colour_notes = to_rgb(self.image if box == (0, 0, *self.size) else self.image.crop(box))
        notes = (*self.notes, *crop_notes(self.size, at), *colour_notes, *self.extra)
        return DecodedPatch(pixels, notes)

    def whole(self) -> Whole:
        """Return the whole picture. Raises :class:`PatchError`."""
        with _named(self.name):
            pixels, colour_notes = to_rgb(self.image)
        return Whole(pixels, (*self.notes, *colour_notes, *self.extra))


def load_picture(
    data: bytes,
    *,
    name: str = "image",
    page: int | None = None,
    least: int = 1,
    most: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> LoadedPicture:
    """Decode a picture whose sides have `least` to `most` pixels; the rest is as of :func:`decode_patch`.

    `page` is that of a TIFF, counted from 0; None takes the first, with a note if there are more.
    """
    with _named(name), open_picture(data, max_pixels) as image:
        notes = choose_page(image, data, page, count_pages(data))
        if image.width * image.height > max_pixels and most is None:  # before anything is decoded
            raise RefusedError(too_many(image.size, max_pixels))
        _check_sides(image.size, least, most)
        check_colours(image)
        if isinstance(image, TiffImagePlugin.TiffImageFile) and is_never_read(image.tag_v2.get(COMPRESSION, 1)):
            raise RefusedError(tiff_problem(image.tag_v2[COMPRESSION]))
        upright, upright_notes = load_upright(image)
        extra = (EXTRA_NOTE,) if has_extra_channels(image) else ()
    return LoadedPicture(name, upright, (*notes, *upright_notes), extra)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Keep Pillow quiet, and make a refusal an error that names the picture."""
    try:
        with quiet_pillow():
            yield
    except RefusedError as refusal:
        raise PatchError(f"{name}: {refusal}") from refusal.__cause__


def shrink(pixels: npt.NDArray[np.uint8], *, side: int = 320) -> npt.NDArray[np.uint8]:
    """Return a picture, uint8 H×W×3, by box means no longer than `side` on either side; a small one as it is."""
    longest = max(pixels.shape[:2])
    if longest <= side:
        return pixels
    height, width = (max(1, round(length * side / longest)) for length in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


def corner_of(size: tuple[int, int], at: tuple[int, int] | None) -> tuple[int, int]:
    """Return (x, y) of the upper left corner of a patch of a picture: `at`, or so that the patch is its centre.

    Raises:
        RefusedError: the patch does not lie within the picture, whose `size` is (width, height).
    """
    right, bottom = size[0] - PATCH_SIZE, size[1] - PATCH_SIZE
    x, y = (right // 2, bottom // 2) if at is None else at
    if not (0 <= x <= right and 0 <= y <= bottom):
        raise RefusedError(f"A patch at {x}, {y} does not lie within {size[0]}×{size[1]} pixels; choose another place.")
    return x, y


def crop_notes(size: tuple[int, int], at: tuple[int, int] | None) -> list[str]:
    """Return the sentence on what was cut out of a picture (width, height), or none where it is a patch itself."""
    if size == (PATCH_SIZE, PATCH_SIZE):
        return []
    place = "centre" if at is None else f"place ({at[0]}, {at[1]})"
    return [f"Cropped the {place} {PATCH_SIZE}×{PATCH_SIZE} of {size[0]}×{size[1]} pixels."]


def _check_sides(size: tuple[int, int], least: int, most: int | None = None) -> None:
    if most is not None and (max(size) > most or min(size) < least):
        raise RefusedError(
            f"Got {size[0]:,}×{size[1]:,} pixels, but a patch of a data set has {PATCH_SIZE}×{PATCH_SIZE}, "
            f"labelled by its centre 32×32; {HOW}, or cut patches of this size from the slide again, at about 0.97 µm "
            "per pixel."
        )
    if min(size) < least:
        raise RefusedError(
            f"Got {size[0]}×{size[1]} pixels, but a patch needs at least {PATCH_SIZE}×{PATCH_SIZE}; cut it "
            "from the slide again at about 0.97 µm per pixel, because enlarging it would make the magnification wrong."
        )
