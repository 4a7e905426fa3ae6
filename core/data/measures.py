"""Measures of a patch that need no network: brightness, contrast, sharpness, stain."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.stain import optical_density, unmix

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""

BLACK = 20.0
"""Patches of a mean grey level below this are black."""

BLANK = 6.0
"""Patches whose grey levels have a smaller standard deviation show nothing (0.4 % of 4,000 PatchCamelyon patches)."""

BLURRED = 0.60
"""Patches of a relative sharpness below this are blurred (0.3 % of the same; all once blurred by 1.5 pixels)."""

MEASURES = ("brightness", "contrast", "sharpness", "haematoxylin", "eosin")


@dataclass(frozen=True)
class Measures:
    """Measures of patches, float32 (N,) each.

    Attributes:
        brightness: mean grey level, 0 black to 255 white.
        contrast: standard deviation of the grey levels.
        sharpness: relative sharpness: standard deviation of the Laplacian, in units of the contrast.
        haematoxylin: mean optical density along the stain's vector, by Ruifrok & Johnston 2001.
        eosin: the same for eosin.
        digests: uint64 (N,): equal pixels have equal ones, others by a chance of 1 in 2**64.
    """

    brightness: npt.NDArray[np.float32]
    contrast: npt.NDArray[np.float32]
    sharpness: npt.NDArray[np.float32]
    haematoxylin: npt.NDArray[np.float32]
    eosin: npt.NDArray[np.float32]
    digests: npt.NDArray[np.uint64]

    def is_black(self) -> npt.NDArray[np.bool_]:
        """Whether each patch is black."""
        return self.brightness < BLACK

    def is_blank(self) -> npt.NDArray[np.bool_]:
        """Whether each patch shows next to nothing and is not black."""
        return (self.contrast < BLANK) & ~self.is_black()

    def is_blurred(self) -> npt.NDArray[np.bool_]:
        """Whether each patch shows something, but without fine detail."""
        return (self.sharpness < BLURRED) & (self.contrast >= BLANK) & ~self.is_black()


def grey(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return uint8 ...×H×W×3 as grey levels, float32 ...×H×W."""
    return np.asarray(pixels.astype(np.float32) @ LUMINANCE)


def laplacian(levels: npt.NDArray[np.float32], *, paired: bool = False) -> npt.NDArray[np.float32]:
    """Return four times each grey level less its four neighbours: large at fine detail, 0 on even ground.

    Its variance is the sharpness of a patch (Pech-Pacheco et al., ICPR 2000), which grows with contrast; its standard
    deviation over that of the grey levels is the relative sharpness, which does not.

    Args:
        levels: float32 ...×H×W.
        paired: subtract left and right as one sum, in whose rounding the relative sharpness of data sets is stored;
            the last bit differs.

    Returns:
        float32 ...×(H-2)×(W-2), without the edge.
    """
    inner, left, right = levels[..., 1:-1, 1:-1], levels[..., 1:-1, :-2], levels[..., 1:-1, 2:]
    above_and_below = 4 * inner - levels[..., :-2, 1:-1] - levels[..., 2:, 1:-1]
    return np.asarray(above_and_below - (left + right) if paired else above_and_below - left - right)


def measure(pixels: npt.NDArray[np.uint8]) -> Measures:
    """Measure patches, uint8 N×96×96×3."""
    levels = grey(pixels)
    contrast = levels.std(axis=(1, 2))
    detail = laplacian(levels, paired=True)
    # The stains are a linear function of the density, so that their mean follows from the mean density.
    stains = unmix(optical_density(pixels, shifted=True).mean(axis=(1, 2)))
    return Measures(
        levels.mean(axis=(1, 2)),
        contrast,
        detail.std(axis=(1, 2)) / np.maximum(contrast, np.float32(1e-3)),
        stains[:, 0],
        stains[:, 1],
        np.array([digest_of(patch) for patch in pixels], np.uint64),
    )


def digest_of(patch: npt.NDArray[np.uint8]) -> int:
    """Return what stands for the pixels of one patch, see :attr:`Measures.digests`."""
    return int.from_bytes(hashlib.blake2b(patch.tobytes(), digest_size=8).digest(), "little")
