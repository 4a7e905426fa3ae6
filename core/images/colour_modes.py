"""What the pixel values of an opened picture stand for: which become 8-bit RGB, and which are refused."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL, _SAMPLE_FORMAT = 258, 277, 339  # TIFF 6.0, sections 8 and 19
_COLOUR_MODES = ("RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "CMYK")
_GREY_MODES = ("L", "LA", "La")

_GREY = "The picture is greyscale: the colours of the stain are missing, and the model expects H&E."
_CMYK = "Converted from CMYK (print colours); the colours may have shifted."
_WHITE = "Transparency was laid over white."
EXTRA_NOTE = "Extra channels beside the colours were ignored."


class RefusedError(Exception):
    """One sentence on why a picture is refused, without its name; becomes a PatchError in decode_patch."""


def check_colours(image: Image.Image) -> None:
    """Refuse what cannot become 8-bit RGB without guessing a range of brightness."""
    if image.mode == "1":
        raise RefusedError(
            "The picture is black and white only (1 bit per pixel); use the original 8-bit colour image."
        )
    tags: Any = getattr(image, "tag_v2", {})
    formats = tags.get(_SAMPLE_FORMAT, (1,))  # TIFF 6.0, section 19: 1 unsigned, 2 signed, 3 floating point
    if image.mode == "F" or 3 in formats:
        raise RefusedError("The picture holds floating-point values of unknown range; save it as 8-bit RGB.")
    bits = _bits_per_channel(image)
    if bits > 8:
        raise RefusedError(
            f"The picture has {bits} bits per channel, and how much of that range is used is not known; "
            "save it as 8-bit RGB (in ImageJ or Fiji: Image > Type > RGB Color)."
        )
    if 2 in formats:
        raise RefusedError("The picture holds signed numbers instead of colours; save it as 8-bit RGB.")
    if image.mode == "YCbCr":
        # Pillow reads an uncompressed YCbCr TIFF as never subsampled, though the standard's default is 2×2.
        raise RefusedError("The colours are stored as uncompressed YCbCr, which is ambiguous; save it as 8-bit RGB.")
    if image.mode not in _COLOUR_MODES + _GREY_MODES:
        raise RefusedError(f"The colours are stored as {image.mode}, which is not supported; save it as 8-bit RGB.")


def to_rgb(patch: Image.Image) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Convert a decoded picture of any allowed mode into RGB, transparency over white."""
    notes = [_GREY] if patch.mode in _GREY_MODES else [_CMYK] if patch.mode == "CMYK" else []
    if patch.has_transparency_data or patch.mode in ("La", "RGBa"):
        straight = patch.convert("LA") if patch.mode == "La" else patch
        rgba = np.asarray(straight.convert("RGBA"), dtype=np.uint16)
        colour, alpha = rgba[..., :3], rgba[..., 3:]
        if alpha.min() < 255:
            notes.append(_WHITE)
        # 127 rounds to nearest; the largest value, 255 * 255 + 127, fits 16 bits.
        return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8), notes
    return np.array(patch.convert("RGB"), dtype=np.uint8), notes


def _bits_per_channel(image: Image.Image) -> int:
    """Return the bits per channel as stored in the file: Pillow keeps the high 8 of 16-bit RGB and calls it RGB."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))))
    if image.mode.startswith("I"):
        return 16
    return 16 if any(";16" in str(tile.args) for tile in image.tile) else 8  # type: ignore[attr-defined]


def has_extra_channels(image: Image.Image) -> bool:
    """Whether a TIFF holds channels beside grey or colour, such as further stains."""
    tags: Any = getattr(image, "tag_v2", {})
    samples = tags.get(_SAMPLES_PER_PIXEL, 1)
    return isinstance(samples, int) and samples > len(image.getbands())
