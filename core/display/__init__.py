"""How patches look on screen: colours, outlines, mosaics. Pixels in, pictures out; no user interface."""

from core.display.palette import CLASS_COLOURS, MUTED, NORMAL, SERIES, TUMOUR, rgb
from core.display.pictures import (
    MICROMETRES_PER_PIXEL,
    OUTLINE,
    contact_sheet,
    enlarge,
    jpeg_address,
    mosaic,
    outlined,
    to_jpeg,
    to_png,
    with_centre_box,
)

__all__ = [
    "CLASS_COLOURS",
    "MICROMETRES_PER_PIXEL",
    "MUTED",
    "NORMAL",
    "OUTLINE",
    "SERIES",
    "TUMOUR",
    "contact_sheet",
    "enlarge",
    "jpeg_address",
    "mosaic",
    "outlined",
    "rgb",
    "to_jpeg",
    "to_png",
    "with_centre_box",
]
