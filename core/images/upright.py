"""From the bytes of a file to an upright picture in memory: header, page, pixels and orientation tag."""

import io

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from core.images.colour_modes import RefusedError
from core.images.formats import (
    COMPRESSION,
    DAMAGE,
    DAMAGED,
    FORMATS,
    compression_name,
    kind_of,
    tiff_problem,
    tiff_tag,
)

PILLOW_MAX_PIXELS = 178_956_970
"""Above this Pillow itself refuses to open a file (twice its MAX_IMAGE_PIXELS), so no limit can be higher."""

_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_UPRIGHT = "The picture was rotated or mirrored upright, as its orientation tag says."
_TAG_UNREADABLE = "The orientation tag of the picture is damaged, so it was not applied."


def open_picture(data: bytes, max_pixels: int) -> Image.Image:
    """Read the header only; the decoders are limited to the four formats."""
    if not data:
        raise RefusedError("The file is empty (0 bytes); save or download it again.")
    kind = kind_of(data)
    if kind not in FORMATS:
        what = f"This is {kind}" if kind else "This is not an image that can be read"
        raise RefusedError(f"{what}; use a TIFF, PNG, JPEG or WebP file.")
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise RefusedError(too_many(None, max_pixels)) from error
    except UnidentifiedImageError as error:
        if kind == "TIFF":
            problem = (
                "This TIFF cannot be read: it is damaged or does not hold plain 8-bit colours; save it as 8-bit RGB."
            )
            raise RefusedError(tiff_problem(tiff_tag(data, 0, COMPRESSION), problem)) from error
        raise RefusedError(f"The {kind} file is damaged at its beginning; save or download it again.") from error
    except DAMAGE as error:
        if kind == "TIFF":
            raise RefusedError(tiff_problem(tiff_tag(data, 0, COMPRESSION))) from error
        raise RefusedError(DAMAGED.format(kind)) from error


def choose_page(image: Image.Image, data: bytes, page: int | None, pages: int) -> list[str]:
    """Go to the page of a TIFF; of an animation only the first frame is ever used."""
    if page is not None and not 0 <= page < pages:
        held = "1 page, number 0" if pages == 1 else f"{pages:,} pages, numbered 0 to {pages - 1:,}"
        raise RefusedError(f"Page {page} does not exist: the file holds {held}; choose one of these.")
    if page:
        try:
            image.seek(page)
        except DAMAGE as error:
            name = compression_name(tiff_tag(data, page, COMPRESSION) or 1)
            why = f"compressed as {name}" if name else "damaged or does not hold plain 8-bit colours"
            raise RefusedError(f"Page {page} of this TIFF cannot be read: it is {why}; choose another page.") from error
    if pages > 1 and page is None:
        return [f"The file holds {pages:,} pages; the first was used."]
    frames = 1 if image.format == "TIFF" else getattr(image, "n_frames", 1)
    if frames > 1 and image.format == "MPO":  # a JPEG of a telephone or a stereo camera, with pictures behind the first
        return [f"The file holds {frames:,} pictures; the first was used."]
    return [f"The file is an animation of {frames:,} frames; the first was used."] if frames > 1 else []


def load_upright(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Decode all pixels and apply the orientation tag (EXIF 2.32, tag 0x0112)."""
    pillow_transposes = isinstance(image, TiffImagePlugin.TiffImageFile)  # and then the tag is gone: read it before
    try:
        how, notes = _transposition(image) if pillow_transposes else (None, [])
        image.load()
    except MemoryError as error:
        raise RefusedError("There is not enough memory for this picture; cut the region of interest out.") from error
    except Image.DecompressionBombError as error:
        raise RefusedError(too_many(None, PILLOW_MAX_PIXELS)) from error
    except DAMAGE as error:
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            raise RefusedError(tiff_problem(image.tag_v2.get(COMPRESSION, 1))) from error
        raise RefusedError(DAMAGED.format("JPEG" if image.format == "MPO" else image.format)) from error
    if pillow_transposes:
        return image, notes
    how, notes = _transposition(image)
    return (image if how is None else image.transpose(how)), notes


def _transposition(image: Image.Image) -> tuple[Image.Transpose | None, list[str]]:
    try:
        how = _TRANSPOSES.get(image.getexif().get(_ORIENTATION, 1))
    except DAMAGE:
        return None, [_TAG_UNREADABLE]  # the pixels are good, and the note says what could not be done
    return how, [] if how is None else [_UPRIGHT]  # FLIP_LEFT_RIGHT is 0


def too_many(size: tuple[int, int] | None, max_pixels: int) -> str:
    """Return the sentence on a picture of too many pixels, (width, height) where they are known."""
    got = f"Got {size[0]:,}×{size[1]:,} pixels" if size else "The picture is far too large"
    return f"{got}, but at most {max_pixels:,} pixels are decoded; cut the region of interest out of it first."
