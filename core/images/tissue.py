"""Where in a picture there is tissue: stained with H&E, and not glass, dust, shadow or ink."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

from core.images.patch import CENTRE
from core.stain import colourfulness

SMOOTH = 9
"""Side in pixels of 0.97 µm of the square over which the colour is averaged: a nucleus, so noise is evened out."""

COLOURED = 0.05
"""Colourfulness from which on there is tissue; glass with a colour cast reaches 0.03."""

STRIP = 1024
"""Rows that are looked at at a time, so that the memory stays small."""

FEWEST = 0.05
"""Least share of tissue in the centre of a patch; with less there is none that could be tumour."""


def tissue(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return where there is tissue, bool H×W, in a picture stained with H&E, uint8 H×W×3.

    It goes by colour, as people do: a slide's glass is not always white, and dust and ink are not always pale.
    """
    found = np.empty(pixels.shape[:2], bool)
    for top in range(0, len(pixels), STRIP):
        # What the average of the strip's own rows needs from its neighbours, and not more: 12 bytes for each pixel.
        upper, lower = max(0, top - SMOOTH), min(len(pixels), top + STRIP + SMOOTH)
        colour = uniform_filter(colourfulness(pixels[upper:lower]), SMOOTH, mode="nearest")
        found[top : top + STRIP] = colour[top - upper : top - upper + STRIP] >= COLOURED
    return found


def centre_shares(mask: npt.NDArray[np.bool_], corners: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the share of tissue in the centre 32×32 of patches, float64 (N,).

    Args:
        mask: bool H×W, of :func:`tissue`.
        corners: x and y of the upper left corner of each patch, int64 (N, 2).
    """
    # Sums of all that lies above and to the left, so that any square is four of them.
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    sums[1:, 1:] = mask.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    left, upper = corners.T + CENTRE.start
    side = CENTRE.stop - CENTRE.start
    right, lower = left + side, upper + side
    return np.asarray((sums[lower, right] - sums[upper, right] - sums[lower, left] + sums[upper, left]) / side**2)
