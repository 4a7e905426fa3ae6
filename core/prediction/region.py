"""A probability for every place of a larger picture, from a network without padding.

Such a network, applied to the whole picture at once, gives the logit of every patch on a fine grid: what neighbouring
patches share is computed once. The picture is read in blocks that overlap by what a patch sees, so that memory stays
bounded and no seam is left.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.bundle.bundle import Bundle
from core.bundle.card import INTENDED_USE
from core.data import PATCH_SIZE
from core.display import CLASS_COLOURS, MUTED, rgb
from core.errors import BundleError, PatchError
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress
from models.nodescope_net import STRIDE

BLOCK = 64
"""Values along each side of a block: a picture of 600×600 pixels at once, about 100 MB."""


@dataclass(frozen=True, eq=False)
class RegionMap:
    """What a bundle predicts for every patch of a picture on a grid of 8 pixels.

    Attributes:
        probabilities: float64 R×C, calibrated: value (i, j) is that of the patch whose upper left corner is at
            x = 8j, y = 8i, and is about that patch's centre.
        threshold: from this probability on the verdict is tumour.
    """

    probabilities: np.ndarray
    threshold: float

    @property
    def area(self) -> tuple[int, int, int, int]:
        """(left, upper, right, lower): the pixels that are nearest to the middle of some patch, a square of 8 each."""
        rows, columns = self.probabilities.shape
        # A patch has its middle at 48, and the square of 8 around that begins at 44.
        start = (PATCH_SIZE - STRIDE) // 2
        return start, start, start + columns * STRIDE, start + rows * STRIDE

    def share(self, threshold: float | None = None) -> float:
        """Return the share of the places that are called tumour."""
        return float((self.probabilities >= (self.threshold if threshold is None else threshold)).mean())

    def overlay(self, pixels: np.ndarray, *, opacity: float = 0.6, threshold: float | None = None) -> np.ndarray:
        """Return the picture, uint8 H×W×3, with red laid over it.

        What is called tumour is the redder the higher its probability; all else, and the border that is nowhere the
        middle of a patch, stays as it is, with a grey line between them.

        Args:
            pixels: the picture, uint8 H×W×3.
            opacity: of a probability of 1.
            threshold: from here on there is colour; the bundle's own if None.
        """
        line = self.threshold if threshold is None else threshold
        shown = np.where(self.probabilities >= line, self.probabilities, 0.0).astype(np.float32)
        left, upper, right, lower = self.area
        fine = Image.fromarray(shown).resize((right - left, lower - upper), Image.Resampling.BILINEAR)
        alpha = (opacity * np.asarray(fine))[..., None]
        result = pixels.copy()
        window = result[upper:lower, left:right]
        window[:] = np.rint(window * (1 - alpha) + np.array(rgb(CLASS_COLOURS[1])) * alpha).astype(np.uint8)
        # The line lies just outside the area; at least 44 pixels remain on each side, so it never leaves the picture.
        result[[upper - 1, lower], left - 1 : right + 1] = rgb(MUTED)
        result[upper - 1 : lower + 1, [left - 1, right]] = rgb(MUTED)
        return result

    def table(self) -> str:
        """Return CSV: x and y of the middle of each patch in pixels, and its probability."""
        rows, columns = self.probabilities.shape
        half = PATCH_SIZE // 2
        lines = [
            f"{half + STRIDE * j},{half + STRIDE * i},{self.probabilities[i, j]:.6f}"
            for i in range(rows)
            for j in range(columns)
        ]
        return "\n".join(["x,y,probability", *lines]) + "\n"


def map_about(bundle: Bundle, threshold: float) -> dict[str, str]:
    """Return the metadata of a saved map, stored in its file beside the picture."""
    return {
        "Title": "Probability of tumour in the centre of each 96×96 patch, red from the threshold on",
        "Software": "Nodescope",
        "Model": f"{bundle.card.name} ({bundle.digest})",
        "Threshold": f"{threshold:.4f}",
        "Disclaimer": INTENDED_USE,
    }


def read_region(predictor: Predictor, pixels: np.ndarray, *, progress: Progress = no_progress) -> RegionMap:
    """Return the probability of every patch of a picture on a grid of 8 pixels.

    Each value is, to 1e-5 of the logit, that of the patch predicted by itself.

    Args:
        predictor: one whose network has no padding, see :attr:`Predictor.reads_regions`.
        pixels: uint8 H×W×3, at least 96×96, at the scale of the patches.
        progress: receives the finished share after each block.

    Raises:
        BundleError: the network has padding or predicts single patches only.
        PatchError: the picture is too small, or no such array.
    """
    if not predictor.reads_regions:
        raise BundleError(
            f"The network {predictor.bundle.card.model} predicts single patches only, not a whole region. "
            "Choose the bundle nodescope-net, or cut the picture into tiles."
        )
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or min(pixels.shape[:2]) < PATCH_SIZE:
        raise PatchError(
            f"A picture must be uint8 H×W×3 with sides of at least {PATCH_SIZE}, got {pixels.dtype} "
            f"{'×'.join(map(str, pixels.shape))}."
        )
    rows, columns = ((side - PATCH_SIZE) // STRIDE + 1 for side in pixels.shape[:2])
    logits = np.empty((rows, columns), np.float32)
    corners = [(row, column) for row in range(0, rows, BLOCK) for column in range(0, columns, BLOCK)]
    for done, (row, column) in enumerate(corners, start=1):
        # A view, smaller at the right and lower edge; its n values need 8(n - 1) + 96 pixels, so blocks overlap by 88.
        block = logits[row : row + BLOCK, column : column + BLOCK]
        upper, left = row * STRIDE, column * STRIDE
        height, width = (STRIDE * (count - 1) + PATCH_SIZE for count in block.shape)
        block[:] = predictor.logit_map(pixels[upper : upper + height, left : left + width])
        progress(done / len(corners))
    card = predictor.bundle.card
    return RegionMap(card.calibration.apply(logits), card.threshold)
