"""How large a pixel is, as a file tells: its resolution, or what ImageJ, Aperio and OME-XML write beside it."""

import io
import math
import re
from collections.abc import Mapping

from PIL import Image, TiffImagePlugin

from core.images.formats import DAMAGE, FORMATS
from core.images.quiet import quiet_pillow

LEAST_MPP, MOST_MPP = 0.05, 5.0
"""µm per pixel that a picture of tissue may have; 72 dots per inch, which programs write by habit, are 353."""

_DESCRIPTION, _X, _Y, _UNIT = 270, 282, 283, 296
_MICROMETRES = {2: 25_400.0, 3: 10_000.0}
_UNITS = {
    "nm": 1e-3, "micron": 1.0, "microns": 1.0, "um": 1.0, "µm": 1.0, "μm": 1.0, "\\u00b5m": 1.0, "mm": 1_000.0,
    "cm": 10_000.0, "m": 1e6, "inch": 25_400.0, "in": 25_400.0,
}  # fmt: skip
"""Units as ImageJ and OME-XML write them, in µm; both letters that look like µ are in use."""

_APERIO = re.compile(r"\|\s*MPP\s*=\s*([0-9.]+)")
_IMAGEJ = re.compile(r"^unit=(.*?)\s*$", re.MULTILINE)
_OME = re.compile(r"\bPhysicalSize([XY])(Unit)?\s*=\s*[\"']([^\"']*)[\"']")
_SILENT = "The file does not say how many µm a pixel is wide"


def mpp_of(data: bytes) -> float | None:
    """Return µm per pixel, or None where the file does not say, or says what no scan of tissue has."""
    return read_mpp(data)[0]


def read_mpp(data: bytes, *, page: int | None = None) -> tuple[float | None, str]:
    """Return µm per pixel and, where they cannot be used, None and what the file says instead, without a full stop.

    Sources: Aperio's ``MPP = `` in the description of a TIFF; OME-XML there, ``PhysicalSizeX`` with its unit (OME
    2016-06, by default µm); TIFF 6.0, tags 282, 283 and 296 (dots per inch or centimetre), which ImageJ's ``unit=`` in
    the description makes pixels per that unit; and the resolution of PNG, JPEG and WebP. The two directions may differ
    by 1 %. The page of a TIFF is counted from 0; None is the first.
    """
    try:
        with quiet_pillow(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if page:
                image.seek(page)
            if isinstance(image, TiffImagePlugin.TiffImageFile):
                across, down, dots = from_tags(image.tag_v2)
            else:
                dots = image.info.get("dpi", (None, None))
                across, down = (_over(_MICROMETRES[2], each) for each in dots)
    except (*DAMAGE, Image.DecompressionBombError):
        return None, _SILENT  # decoding the file says what is wrong with it
    if across is None or down is None:
        return None, _SILENT
    if abs(across / down - 1) > 0.01:
        return None, f"The file says {across:.3g} µm per pixel across and {down:.3g} down, which must be equal"
    if LEAST_MPP <= across <= MOST_MPP:
        return across, ""
    habit = f" ({round(float(dots[0])):,} dots per inch)" if dots is not None else ""
    return None, f"The file says {across:.3g} µm per pixel{habit}, which no scan of tissue has"


def from_tags(tags: Mapping[int, object]) -> tuple[float | None, float | None, tuple[float, float] | None]:
    """Return µm per pixel across and down, and the dots per inch that they were read from, if they were."""
    description = str(tags.get(_DESCRIPTION, ""))
    aperio = _APERIO.search(description)
    if aperio:
        return _over(_number(aperio.group(1)), 1), _over(_number(aperio.group(1)), 1), None
    if "<OME" in description or "PhysicalSizeX" in description:
        found = {axis + unit: value for axis, unit, value in reversed(_OME.findall(description))}  # of the first image
        sizes = (_over(_UNITS.get(found.get(f"{axis}Unit", "µm").lower()), 1, found.get(axis)) for axis in "XY")
        across, down = sizes
        if across is not None:
            return across, across if "Y" not in found else down, None
    dots = (_number(tags.get(_X)), _number(tags.get(_Y)))
    imagej, unit = _IMAGEJ.search(description), _number(tags.get(_UNIT, 2))
    if imagej and description.startswith("ImageJ"):
        size = _UNITS.get(imagej.group(1).strip().lower())
        return _over(size, dots[0]), _over(size, dots[1]), None
    size = None if unit is None else _MICROMETRES.get(int(unit))
    inches = (dots[0], dots[1]) if size == _MICROMETRES[2] and dots[0] is not None and dots[1] is not None else None
    return _over(size, dots[0]), _over(size, dots[1]), inches


def _over(size: float | None, dots: object, times: object = 1) -> float | None:
    """Return size × times / dots where that is a positive, finite number."""
    below, factor = _number(dots), _number(times)
    if size is None or not below or factor is None:
        return None
    found = size * factor / below
    return found if 0 < found < math.inf else None


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None
