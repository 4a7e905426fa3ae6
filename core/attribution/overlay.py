"""A saliency map drawn over its patch."""

from functools import cache

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image

from core.data.store import PATCH_SIZE
from core.display.pictures import with_centre_box
from core.errors import AttributionError, ConfigError, PatchError

SEQUENTIAL = ("inferno", "viridis", "cividis", "magma")
"""Colour tables for maps in [0, 1]: even steps of lightness, readable with every kind of colour blindness."""

DIVERGING = ("RdBu_r", "PuOr_r")
"""Colour tables for maps in [-1, 1]: blue or purple against tumour, red or orange for it, white between."""

MAX_ZOOM = 16


def overlay(
    patch: npt.NDArray[np.uint8],
    saliency: npt.NDArray[np.float32],
    *,
    opacity: float = 0.5,
    colours: str | None = None,
    centre_box: bool = True,
    zoom: int = 1,
    fade: bool = False,
) -> npt.NDArray[np.uint8]:
    """Return a patch with its saliency map over it.

    Args:
        patch: uint8 array 96×96×3.
        saliency: float array 96×96 in [0, 1], or in [-1, 1] for a diverging colour table.
        opacity: 0 shows only the patch, 1 only the map.
        colours: A name in ``SEQUENTIAL`` or ``DIVERGING``; without it inferno, or RdBu_r where the map has
            negative values.
        centre_box: Draw a frame just outside the labelled centre 32×32, so that no labelled pixel is hidden.
        zoom: Whole factor of enlargement; the patch keeps crisp pixels, the map is enlarged smoothly.
        fade: Scale the opacity by the size of the map, so that tissue without evidence keeps its own colours.

    Returns:
        uint8 array (96·zoom)×(96·zoom)×3.

    Raises:
        PatchError: The patch has another shape or type.
        AttributionError: The map has another shape or range.
        ConfigError: A setting is out of its range.
    """
    _check(patch, saliency, opacity, zoom)
    table = _table_for(saliency, colours)
    values = _enlarged(saliency, zoom)
    unit = (values + 1) / 2 if (colours or _default(saliency)) in DIVERGING else values
    painted = table[np.rint(unit * 255).astype(np.intp)].astype(np.float32)
    tissue = patch.repeat(zoom, axis=0).repeat(zoom, axis=1).astype(np.float32)
    weight = opacity * np.abs(values)[..., None] if fade else np.float32(opacity)
    image = np.rint(tissue + (painted - tissue) * weight).astype(np.uint8)
    return with_centre_box(image, zoom=zoom) if centre_box else image


@cache
def colour_table(name: str) -> npt.NDArray[np.uint8]:
    """Return a colour table, uint8 256×3, from the lowest value to the highest.

    Raises:
        ConfigError: There is no such table.
    """
    if name not in SEQUENTIAL + DIVERGING:
        raise ConfigError(f"There is no colour table {name!r}; choose one of {', '.join(SEQUENTIAL + DIVERGING)}.")
    table: npt.NDArray[np.uint8] = np.rint(colormaps[name](np.arange(256))[:, :3] * 255).astype(np.uint8)
    table.flags.writeable = False
    return table


def _default(saliency: npt.NDArray[np.float32]) -> str:
    return DIVERGING[0] if float(saliency.min()) < 0 else SEQUENTIAL[0]


def _table_for(saliency: npt.NDArray[np.float32], colours: str | None) -> npt.NDArray[np.uint8]:
    name = colours or _default(saliency)
    table = colour_table(name)
    if name not in DIVERGING and float(saliency.min()) < 0:
        raise ConfigError(
            f"The colour table {name} has no place for negative values; choose one of {', '.join(DIVERGING)}."
        )
    return table


def _enlarged(saliency: npt.NDArray[np.float32], zoom: int) -> npt.NDArray[np.float32]:
    if zoom == 1:
        return saliency.astype(np.float32)
    side = PATCH_SIZE * zoom
    image = Image.fromarray(saliency.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(image, dtype=np.float32), -1, 1)


def _check(patch: npt.NDArray[np.uint8], saliency: npt.NDArray[np.float32], opacity: float, zoom: int) -> None:
    if patch.shape != (PATCH_SIZE, PATCH_SIZE, 3) or patch.dtype != np.uint8:
        raise PatchError(
            f"Cannot draw over an array of shape {patch.shape} and type {patch.dtype}; expected 96×96×3 and uint8."
        )
    if saliency.shape != (PATCH_SIZE, PATCH_SIZE) or not bool(np.all(np.abs(saliency) <= 1)):
        raise AttributionError(
            f"Cannot draw a map of shape {saliency.shape}; expected 96×96 with values in [-1, 1], from saliency_map."
        )
    if not 0 <= opacity <= 1:
        raise ConfigError(f"opacity must be 0 to 1, got {opacity!r}.")
    if isinstance(zoom, bool) or not isinstance(zoom, int) or not 1 <= zoom <= MAX_ZOOM:
        raise ConfigError(f"zoom must be a whole number from 1 to {MAX_ZOOM}, got {zoom!r}.")
