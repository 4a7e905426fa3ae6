"""One patch from a picture of another size: by its scale, its centre, or the whole of it; or why none can be made."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.errors import PatchError
from core.images.patch import MICROMETRES_PER_PIXEL as MPP
from core.images.patch import PATCH_SIZE
from core.images.resample import resampled

LARGEST_ENLARGEMENT = 1.3
"""By how much a picture is enlarged at most unless it is asked for: enlarging brings no detail back."""

HOW = "choose how other sizes become patches: by their µm per pixel, by their centre, or by resizing"

Size = Literal["", "mpp", "crop", "resize"]


@dataclass(frozen=True)
class Fit:
    """How a picture that is no patch becomes one.

    Attributes:
        size: "mpp" rescales it to 0.97 µm per pixel and takes its centre, "crop" takes its centre as it is, "resize"
            rescales the largest square of it to 96×96; "" takes only pictures of 96×96.
        enlarge: whether it may be enlarged by more than 1.3.
    """

    size: Size = ""
    enlarge: bool = False


def fitted(
    pixels: npt.NDArray[np.uint8], fit: Fit, *, mpp: float | None = None, name: str = "image"
) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """Return the patch of a picture, and what was done to it in a sentence (none where it was taken as it is).

    Args:
        pixels: uint8 H×W×3.
        fit: how.
        mpp: µm per pixel of the picture, where they are known.
        name: what to call it in an error.

    Raises:
        PatchError: it is too small, would be enlarged by more than is allowed, or its scale is not known.

    Example:
        >>> fitted(np.zeros((224, 224, 3), np.uint8), Fit("mpp"), mpp=0.5)[1]
        ('Rescaled from 0.5 to 0.97 µm per pixel, centre taken: 186×186 of 224×224 pixels became 96×96.',)
    """
    height, width = pixels.shape[:2]
    got = f"{name}: Got {width:,}×{height:,} pixels"
    if not fit.size:
        if (width, height) == (PATCH_SIZE, PATCH_SIZE):
            return pixels, ()
        raise PatchError(f"{got}, but a patch has 96×96; {HOW}.")
    factor, how = _factor(fit, min(width, height), mpp, got)
    side = PATCH_SIZE / factor
    if side > min(width, height) + 1e-6:
        wide = f", {min(width, height) * mpp:.0f} µm wide" if fit.size == "mpp" and mpp else ""
        raise PatchError(
            f"{got}{wide}, but a patch needs {side:.0f}×{side:.0f} of them ({PATCH_SIZE * MPP:.0f} µm); cut larger "
            "pictures from the slide, or choose to resize them."
        )
    if factor > LARGEST_ENLARGEMENT and not fit.enlarge:
        raise PatchError(
            f"{got}, which would be enlarged {factor:.1f} times; at most {LARGEST_ENLARGEMENT} is done unless you "
            "allow more, because enlarging brings no detail back."
        )
    if (width, height) == (PATCH_SIZE, PATCH_SIZE) and factor == 1:
        return pixels, ()
    note = f"{how}: {side:.0f}×{side:.0f} of {width:,}×{height:,} pixels became {PATCH_SIZE}×{PATCH_SIZE}."
    return _resampled(pixels, side), (note,)


def _factor(fit: Fit, shortest: int, mpp: float | None, got: str) -> tuple[float, str]:
    """Return by how much a picture is enlarged, and what that is called."""
    if fit.size == "resize":
        return PATCH_SIZE / shortest, "Resized, whatever its scale"
    if fit.size == "crop":
        return 1.0, "Centre taken at its own scale"
    if mpp is None:
        raise PatchError(f"{got}, but its µm per pixel are not known; give them, such as 0.5 for a scan at 20×.")
    factor = mpp / MPP
    # Closer than 0.1 % to 1, resampling would only blur.
    return 1.0 if abs(factor - 1) < 0.001 else factor, f"Rescaled from {mpp:.3g} to {MPP} µm per pixel, centre taken"


def _resampled(pixels: npt.NDArray[np.uint8], side: float) -> npt.NDArray[np.uint8]:
    """Return the square of `side` pixels in the middle of a picture as a patch."""
    height, width = pixels.shape[:2]
    if side == PATCH_SIZE:
        top, left = (height - PATCH_SIZE) // 2, (width - PATCH_SIZE) // 2
        return np.ascontiguousarray(pixels[top : top + PATCH_SIZE, left : left + PATCH_SIZE])
    x, y = (width - side) / 2, (height - side) / 2
    return resampled(pixels, (x, y, x + side, y + side), (PATCH_SIZE, PATCH_SIZE))
