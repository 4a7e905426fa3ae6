"""How large a pixel is, as a TIFF tells: its resolution tags, or what ImageJ and Aperio write beside them."""

import io
import re
from collections.abc import Mapping

from PIL import Image, TiffImagePlugin

from core.images.formats import DAMAGE, kind_of
from core.images.quiet import quiet_pillow

LEAST_MPP, MOST_MPP = 0.05, 5.0
"""µm per pixel that a picture of tissue may have; 72 dots per inch, which programs write by habit, are 353."""

_DESCRIPTION, _X, _Y, _UNIT = 270, 282, 283, 296
_MICROMETRES = {2: 25_400.0, 3: 10_000.0}
_APERIO = re.compile(r"\|\s*MPP\s*=\s*([0-9.]+)")
_IMAGEJ = re.compile(r"^unit=(micron|um|µm|\\u00B5m)\s*$", re.MULTILINE)


def mpp_of(data: bytes, *, page: int | None = None) -> float | None:
    """Return µm per pixel, or None where the file does not say, or says what no scan of tissue has.

    Sources: TIFF 6.0, tags 282, 283 and 296 (dots per inch or centimetre); ImageJ's ``unit=micron`` in the description,
    which makes the same tags pixels per µm; Aperio's ``MPP = `` there. Where the two directions differ by more than
    1 %, none is returned, and neither is for files that are no TIFF.

    Args:
        data: the whole file.
        page: of a TIFF, counted from 0; None is the first.
    """
    if kind_of(data) != "TIFF":
        return None
    try:
        with quiet_pillow(), Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
            if page:
                image.seek(page)
            tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
            found = _from_tags(tags)
    except (*DAMAGE, Image.DecompressionBombError):
        return None  # decoding the file says what is wrong with it
    return found if found is not None and LEAST_MPP <= found <= MOST_MPP else None


def _from_tags(tags: Mapping[int, object]) -> float | None:
    description = str(tags.get(_DESCRIPTION, ""))
    aperio = _APERIO.search(description)
    if aperio:
        return _number(aperio.group(1))
    across, down = (_number(tags.get(tag)) for tag in (_X, _Y))
    if not across or not down or abs(across / down - 1) > 0.01:
        return None
    unit = 1.0 if _IMAGEJ.search(description) else _MICROMETRES.get(int(str(tags.get(_UNIT, 2))))
    return None if unit is None else unit / across


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
