"""Stains of a patch taken apart by colour deconvolution (Ruifrok & Johnston 2001).

Stains add up in optical density, so that their amounts follow from the density of red, green and blue by least squares.
"""

import numpy as np
import numpy.typing as npt

from core.errors import PatchError

RUIFROK_HAEMATOXYLIN = (0.650, 0.704, 0.286)
"""Haematoxylin's optical density in red, green and blue (Ruifrok & Johnston 2001)."""

RUIFROK_EOSIN = (0.072, 0.990, 0.105)
"""Eosin's optical density in red, green and blue (Ruifrok & Johnston 2001)."""

RUIFROK_RESIDUAL = (0.268, 0.570, 0.776)
"""A third direction, for what neither of the two stains explains (DAB in Ruifrok & Johnston 2001)."""

STAINS = ("haematoxylin", "eosin")

_VECTORS: npt.NDArray[np.float32] = np.array([RUIFROK_HAEMATOXYLIN, RUIFROK_EOSIN], np.float32)
_UNMIX: npt.NDArray[np.float32] = np.linalg.pinv(np.array([RUIFROK_HAEMATOXYLIN, RUIFROK_EOSIN])).astype(np.float32)
_LEVELS = np.arange(256, dtype=np.float32)
_FLOORED: npt.NDArray[np.float32] = -np.log(np.maximum(_LEVELS, 1) / 255)
_SHIFTED: npt.NDArray[np.float32] = -np.log((_LEVELS + 1) / 256)


def optical_density(pixels: npt.NDArray[np.uint8], *, shifted: bool = False) -> npt.NDArray[np.float32]:
    """Return how much light was absorbed at each pixel, by the law of Beer and Lambert.

    The logarithm is natural and the light that comes in is white, so that white has density 0. A level of 0 would have
    an infinite one; there are two ways around it. The formulas differ by less than 0.01 above a level of 50.

    Args:
        pixels: uint8 of any shape, red, green and blue on the last axis where stains are wanted.
        shifted: False takes a level of 0 for 1: -ln(max(level, 1) / 255), as training augments (there on tensors, see
            :func:`core.training.augment.restain`) and stains are drawn. True adds 1 to every level:
            -ln((level + 1) / 256), which tells levels 0 and 1 apart. The stored measures of a data set, the stain
            clusters of splits and subgroups, and the limits for foreign colours were made with it, so they keep it.

    Returns:
        float32 of the same shape, 0 to 5.55.
    """
    return (_SHIFTED if shifted else _FLOORED)[pixels]


def colourfulness(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return by how much the optical density of green exceeds the mean of red and blue; at most 0 for ink.

    Haematoxylin and eosin both absorb green most; glass, dust, shadow and black ink absorb all colours alike, and blue
    and green ink absorb red much more. So it tells tissue that is stained with H&E from all these.

    Args:
        pixels: uint8 ...×3.

    Returns:
        float32 of the same shape without the last axis; about 0 on glass, 0.05 on pale tissue, 0.3 and more on nuclei.
    """
    red, green, blue = np.moveaxis(optical_density(pixels, shifted=True), -1, 0)
    found = green - (red + blue) / 2
    # Of the coloured pixels of 814 real patches, 7 in a million absorb red so much more than green.
    return np.asarray(np.where(green < 0.8 * red, np.minimum(found, 0), found))


def unmix(density: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the amounts of haematoxylin and eosin, float32 ...×2, in an optical density ...×3, by least squares."""
    return np.asarray(density @ _UNMIX)


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
    require_patch(patch)
    return unmix(optical_density(patch))


def require_patch(patch: npt.NDArray[np.uint8]) -> None:
    """Raise :class:`PatchError` unless it is uint8 H×W×3."""
    if patch.ndim != 3 or patch.shape[2] != 3 or patch.dtype != np.uint8:
        raise PatchError(f"A patch must be uint8 H×W×3, got {patch.dtype} of shape {patch.shape}.")


def stain_picture(patch: npt.NDArray[np.uint8], stain: str) -> npt.NDArray[np.uint8]:
    """Return the patch as it would appear with only one stain, uint8 H×W×3.

    Args:
        patch: uint8 H×W×3.
        stain: one of :data:`STAINS`.

    Raises:
        PatchError: the patch has another shape or type, or there is no such stain.
    """
    if stain not in STAINS:
        raise PatchError(f"A stain must be one of {', '.join(STAINS)}, got {stain!r}.")
    number = STAINS.index(stain)
    amount = np.maximum(stain_amounts(patch)[..., number], 0)
    return np.asarray(np.rint(255 * np.exp(-amount[..., None] * _VECTORS[number])).astype(np.uint8))
