"""A patch taken apart into its stains, by colour deconvolution (Ruifrok & Johnston 2001).

Stains add up in optical density, so that their amounts follow from the density of red, green and blue by least squares.
"""

import numpy as np
import numpy.typing as npt

from core.errors import PatchError

RUIFROK_HAEMATOXYLIN = (0.650, 0.704, 0.286)
"""Haematoxylin's optical density in red, green and blue (Ruifrok & Johnston 2001)."""

RUIFROK_EOSIN = (0.072, 0.990, 0.105)
"""Eosin's optical density in red, green and blue (Ruifrok & Johnston 2001)."""

STAINS = ("haematoxylin", "eosin")

_VECTORS: npt.NDArray[np.float32] = np.array([RUIFROK_HAEMATOXYLIN, RUIFROK_EOSIN], np.float32)
_UNMIX: npt.NDArray[np.float32] = np.linalg.pinv(_VECTORS.astype(np.float64)).astype(np.float32)
_DENSITY: npt.NDArray[np.float32] = -np.log(np.maximum(np.arange(256, dtype=np.float32), 1) / 255)


def stain_amounts(patch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return how much of each stain there is at each pixel.

    Args:
        patch: uint8 H×W×3.

    Returns:
        float32 H×W×2: optical density (natural logarithm) along the vectors of haematoxylin and eosin. 0 is none; below
        0 is what noise or another colour gives.

    Raises:
        PatchError: it has another shape or type.
    """
    if patch.ndim != 3 or patch.shape[2] != 3 or patch.dtype != np.uint8:
        raise PatchError(f"Stains are told apart in uint8 H×W×3; found {patch.dtype} of shape {patch.shape}.")
    return np.asarray(_DENSITY[patch] @ _UNMIX)


def stain_picture(patch: npt.NDArray[np.uint8], stain: str) -> npt.NDArray[np.uint8]:
    """Return the patch as it would look with one stain alone, uint8 H×W×3.

    Args:
        patch: uint8 H×W×3.
        stain: one of :data:`STAINS`.

    Raises:
        PatchError: the patch has another shape or type, or there is no such stain.
    """
    if stain not in STAINS:
        raise PatchError(f"There is no stain {stain!r}; choose one of {', '.join(STAINS)}.")
    number = STAINS.index(stain)
    amount = np.maximum(stain_amounts(patch)[..., number], 0)
    return np.asarray(np.rint(255 * np.exp(-amount[..., None] * _VECTORS[number])).astype(np.uint8))
