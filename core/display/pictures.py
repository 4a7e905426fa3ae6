"""Patches as pictures: enlarged, outlined, in a mosaic, encoded for the browser.

Pixels stay crisp: enlarging repeats them.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from core.data.store import CENTRE
from core.display.palette import CLASS_COLOURS, rgb
from core.errors import ConfigError

MICROMETRES_PER_PIXEL = 0.97
"""Of PatchCamelyon: 10 times magnification, half-way down the pyramid of Camelyon16's slides."""

OUTLINE = 4
GAP = 6
DASH = 12


@dataclass(frozen=True)
class Mosaic:
    """Patches side by side in one picture.

    Attributes:
        pixels: uint8 H×W×3; the background between the patches is `background`.
        columns: patches in a row.
        rows: rows.
        pitch: pixels from one patch to the next, in both directions.
        margin: pixels before the first patch.
    """

    pixels: np.ndarray
    columns: int
    rows: int
    pitch: int
    margin: int

    def centre_of(self, position: int) -> tuple[float, float]:
        """Return the centre (x, y) in pixels of the patch at `position`, counted along the rows."""
        row, column = divmod(position, self.columns)
        half = (self.pitch - GAP) / 2
        return self.margin + column * self.pitch + half, self.margin + row * self.pitch + half


def mosaic(
    patches: np.ndarray,
    labels: Sequence[int | None],
    *,
    columns: int,
    background: tuple[int, int, int] = (255, 255, 255),
    centre_boxes: bool = False,
) -> Mosaic:
    """Return patches in a grid, each outlined: tumour red and solid, normal green and dashed, unlabelled not at all.

    Args:
        patches: uint8 N×96×96×3.
        labels: 1, 0 or None for each.
        columns: patches in a row.
        background: colour between them.
        centre_boxes: whether the labelled 32×32 is marked.

    Raises:
        ConfigError: `columns` is below 1, or there are not as many labels as patches.
    """
    if columns < 1 or len(labels) != len(patches):
        raise ConfigError(
            f"A mosaic needs a column and a label for each patch; found {columns} and {len(labels)} labels."
        )
    side = patches.shape[1] + 2 * OUTLINE
    rows = -(-len(patches) // columns)
    pitch = side + GAP
    height, width = max(rows, 1) * pitch - GAP, columns * pitch - GAP
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = background
    for position, (patch, label) in enumerate(zip(patches, labels, strict=True)):
        top, left = (position // columns) * pitch, (position % columns) * pitch
        canvas[top : top + side, left : left + side] = outlined(patch, label, background, centre_box=centre_boxes)
    return Mosaic(canvas, columns, max(rows, 1), pitch, 0)


def outlined(
    patch: np.ndarray, label: int | None, background: tuple[int, int, int], *, centre_box: bool = False
) -> np.ndarray:
    """Return the patch with an outline of :data:`OUTLINE` pixels around it, in the colour and style of its label."""
    framed = np.empty((patch.shape[0] + 2 * OUTLINE, patch.shape[1] + 2 * OUTLINE, 3), np.uint8)
    framed[:] = background
    if label is not None:
        colour = rgb(CLASS_COLOURS[label])
        framed[:] = colour
        if label == 0:
            _dash(framed, background)
    inner = patch if not centre_box else with_centre_box(patch)
    framed[OUTLINE:-OUTLINE, OUTLINE:-OUTLINE] = inner
    return framed


def _dash(framed: np.ndarray, background: tuple[int, int, int]) -> None:
    for axis in (0, 1):
        along = np.arange(framed.shape[axis])
        gaps = (along // (DASH // 2)) % 3 == 2
        for edge in (slice(0, OUTLINE), slice(-OUTLINE, None)):
            if axis == 0:
                framed[gaps, edge] = background
            else:
                framed[edge, gaps] = background


def enlarge(patch: np.ndarray, zoom: int) -> np.ndarray:
    """Return H·zoom×W·zoom×3: every pixel repeated, nothing smoothed."""
    return patch.repeat(zoom, axis=0).repeat(zoom, axis=1)


def with_centre_box(patch: np.ndarray, *, zoom: int = 1, colour: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """Return a copy with a thin box around the labelled centre; it is drawn just outside, so that no pixel of it hides.

    Args:
        patch: uint8 96×96×3, or the same enlarged `zoom` times.
        zoom: how much it is enlarged already. The lines grow with it: a browser that shows an enlarged patch at half
            its size leaves out every other pixel, and with it any line that is one pixel wide.
        colour: of the box; a dark line beside it keeps it visible on a light ground.
    """
    boxed = patch.copy()
    width = min(zoom, max(2, -(-zoom // 2)))
    for beyond, ink in ((2 * width, (20, 20, 20)), (width, colour)):
        around = slice(CENTRE.start * zoom - beyond, CENTRE.stop * zoom + beyond)
        boxed[around, around] = ink
    centre = slice(CENTRE.start * zoom, CENTRE.stop * zoom)
    boxed[centre, centre] = patch[centre, centre]
    return boxed


def with_scale_bar(picture: np.ndarray, *, zoom: int, micrometres: int = 20) -> np.ndarray:
    """Return a copy of an enlarged patch with a bar of known length at the lower left.

    Args:
        picture: uint8 H×W×3, a patch enlarged `zoom` times.
        zoom: see `picture`.
        micrometres: length of the bar in tissue, at :data:`MICROMETRES_PER_PIXEL`.
    """
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    length, height, margin = round(micrometres / MICROMETRES_PER_PIXEL * zoom), max(2, zoom), 3 * zoom
    bottom = picture.shape[0] - margin
    draw.rectangle((margin - 1, bottom - height - 1, margin + length + 1, bottom + 1), fill=(255, 255, 255))
    draw.rectangle((margin, bottom - height, margin + length, bottom), fill=(20, 20, 20))
    draw.text(
        (margin, bottom - height - 2),
        f"{micrometres} µm",
        fill=(20, 20, 20),
        stroke_fill=(255, 255, 255),
        stroke_width=2,
        anchor="lb",
        font=_font(max(10, 4 * zoom)),
    )
    return np.asarray(image)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # Pillow's own font has no µ; matplotlib comes with one that does.
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def to_jpeg(pixels: np.ndarray, *, quality: int = 90) -> bytes:
    """Return the picture as JPEG: for mosaics, where a PNG would be many times larger and slower."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def to_png(pixels: np.ndarray, *, about: dict[str, str] | None = None) -> bytes:
    """Return the picture as PNG: for single patches, where every pixel counts.

    Args:
        pixels: uint8 H×W×3 or H×W.
        about: what is written beside the pixels, by PNG's keywords, such as "Title".
    """
    texts = PngInfo()
    for name, text in (about or {}).items():
        texts.add_itxt(name, text)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1, pnginfo=texts)
    return buffer.getvalue()
