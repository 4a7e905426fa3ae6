"""Patches as pictures: enlarged, outlined, in a mosaic, encoded for the browser.

Pixels stay crisp: enlarging repeats them.
"""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.data.store import CENTRE
from core.display.palette import CLASS_COLOURS, rgb
from core.errors import ConfigError
from core.images.patch import MICROMETRES_PER_PIXEL as MICROMETRES_PER_PIXEL

OUTLINE = 4
"""Width of the outline around a patch, in pixels."""

GAP = 6  # pixels between two patches of a mosaic
DASH = 12  # pixels of a dash in the outline of normal patches; the gap after it is half as long


def mosaic(
    patches: np.ndarray,
    labels: Sequence[int | None],
    *,
    columns: int,
    background: tuple[int, int, int] = (255, 255, 255),
) -> np.ndarray:
    """Return patches in a grid, each outlined: tumour red and solid, normal green and dashed, unlabelled not at all.

    Args:
        patches: uint8 N×96×96×3.
        labels: 1, 0 or None for each.
        columns: patches in a row.
        background: colour between them.

    Returns:
        uint8 H×W×3.

    Raises:
        ConfigError: `columns` is below 1, or there are not as many labels as patches.
    """
    if columns < 1 or len(labels) != len(patches):
        raise ConfigError(
            f"A mosaic needs at least 1 column and a label for each of {len(patches)} patches, got {columns} columns "
            f"and {len(labels)} labels."
        )
    side = patches.shape[1] + 2 * OUTLINE
    rows = -(-len(patches) // columns)
    pitch = side + GAP
    # Without patches there is still one row, since a picture of no height cannot be encoded.
    height, width = max(rows, 1) * pitch - GAP, columns * pitch - GAP
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = background
    for position, (patch, label) in enumerate(zip(patches, labels, strict=True)):
        top, left = (position // columns) * pitch, (position % columns) * pitch
        canvas[top : top + side, left : left + side] = outlined(patch, label, background)
    return canvas


def contact_sheet(patches: np.ndarray, *, columns: int) -> np.ndarray:
    """Return patches edge to edge in rows of `columns`, uint8 H×W×3; what is left of the last row is black.

    Args:
        patches: uint8 N×S×S×3.
        columns: patches in a row.
    """
    side, rows = patches.shape[1], max(1, -(-len(patches) // columns))
    sheet = np.zeros((rows * columns, side, side, 3), np.uint8)
    sheet[: len(patches)] = patches
    return sheet.reshape(rows, columns, side, side, 3).swapaxes(1, 2).reshape(rows * side, columns * side, 3)


def outlined(
    patch: np.ndarray, label: int | None, background: tuple[int, int, int], *, centre_box: bool = False
) -> np.ndarray:
    """Return the patch with an outline of :data:`OUTLINE` pixels around it, in the colour and style of its label."""
    framed = np.empty((patch.shape[0] + 2 * OUTLINE, patch.shape[1] + 2 * OUTLINE, 3), np.uint8)
    framed[:] = background
    if label is not None:
        framed[:] = rgb(CLASS_COLOURS[label])
        if label == 0:
            for lines in (framed, framed.swapaxes(0, 1)):  # both are views: left and right edge, then top and bottom
                gaps = np.arange(len(lines)) % (DASH + DASH // 2) >= DASH
                lines[gaps, :OUTLINE] = lines[gaps, -OUTLINE:] = background
    framed[OUTLINE:-OUTLINE, OUTLINE:-OUTLINE] = with_centre_box(patch) if centre_box else patch
    return framed


def enlarge(patch: np.ndarray, zoom: int) -> np.ndarray:
    """Return H·zoom×W·zoom×3: every pixel repeated, nothing smoothed."""
    return patch.repeat(zoom, axis=0).repeat(zoom, axis=1)


def with_centre_box(patch: np.ndarray, *, zoom: int = 1, colour: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """Return a copy with a thin box around the labelled centre, drawn just outside so that it covers no pixel of it.

    Args:
        patch: uint8 96×96×3, or the same enlarged `zoom` times.
        zoom: how much it is enlarged already. The lines grow with it: a browser that shows an enlarged patch at half
            its size drops every other pixel, and with it any line that is one pixel wide.
        colour: of the box; a dark line around it keeps it visible on light tissue.
    """
    boxed = patch.copy()
    width = min(zoom, max(2, -(-zoom // 2)))
    # Two filled squares, the larger one first; the centre is then put back, which leaves a frame of two lines.
    for beyond, ink in ((2 * width, (20, 20, 20)), (width, colour)):
        around = slice(CENTRE.start * zoom - beyond, CENTRE.stop * zoom + beyond)
        boxed[around, around] = ink
    centre = slice(CENTRE.start * zoom, CENTRE.stop * zoom)
    boxed[centre, centre] = patch[centre, centre]
    return boxed


def to_jpeg(pixels: np.ndarray, *, quality: int = 90) -> bytes:
    """Return the picture as JPEG: for mosaics, where PNG is about 50 times slower and many times larger."""
    buffer = io.BytesIO()
    # subsampling=0, because colour at half the resolution would smear outlines and stain.
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def jpeg_address(jpeg: bytes) -> str:
    """Return a JPEG as an address that holds it, for a browser that should fetch nothing."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def to_png(pixels: np.ndarray, *, about: dict[str, str] | None = None) -> bytes:
    """Return the picture as PNG: for single patches, where every pixel counts.

    Args:
        pixels: uint8 H×W×3 or H×W.
        about: texts to store in the file, by PNG's keywords, such as "Title".
    """
    texts = PngInfo()
    for name, text in (about or {}).items():
        # iTXt is UTF-8; a plain PNG text holds Latin-1 only, and names of bundles may be anything.
        texts.add_itxt(name, text)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1, pnginfo=texts)
    return buffer.getvalue()
