"""Blank, blurred or not stained with H&E? Three checks of a patch that need no network and no training data.

Their limits were set on 4,000 labelled PatchCamelyon patches so that each warns of fewer than 1 in 100 of them; in
brackets what those patches reach.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.data.measures import BLANK, BLURRED, grey, laplacian
from core.prediction.predictor import require_patches
from core.stain import optical_density

Kind = Literal["blank", "blur", "stain", "network"]

TISSUE = 0.01
"""Least share of pixels that absorb light (0.2 % have less)."""

GREEN = 0.345
"""Least share of green in the absorbed light. Haematoxylin and eosin both absorb green most (0.5 % have less); grey
pictures have a third."""

STAINED = 0.90
"""Least share of the absorbing pixels that absorb green as much as red and blue (0.4 % have less)."""

_ABSORBS = 0.12  # mean optical density of red, green and blue from which on a pixel absorbs light
_TOLERANCE = 0.05  # optical density by which green may lie below red or blue and still count as stained


@dataclass(frozen=True)
class Artifact:
    """One way in which a patch differs from what the model was trained on.

    Attributes:
        kind: "blank", "blur" or "stain" from :func:`artifacts`; "network" from the training patches' features.
        value: what was measured.
        limit: where it becomes an artifact.
        sentence: what it means and what to do.
    """

    kind: Kind
    value: float
    limit: float
    sentence: str


_BLANK = "There is almost nothing on this patch, so the probability means nothing. Choose a place with tissue."
_BLUR = (
    "The patch is blurred or was enlarged: the fine detail that cells show is missing. Cut it from the slide again, in "
    "focus and at about 0.97 µm per pixel."
)
_STAIN = (
    "The colours are not those of H&E, which is blue-violet and pink. The model was trained on no other stain "
    "and no other kind of picture."
)


def artifacts(pixels: npt.NDArray[np.uint8]) -> list[tuple[Artifact, ...]]:
    """Check patches for blankness, blur and foreign colours.

    Args:
        pixels: uint8 N×96×96×3.

    Returns:
        The artifacts of each patch, at most one entry; none where all is as in H&E. Of a blank patch neither
        sharpness nor colour is judged, and of a blurred one no colour.

    Raises:
        PatchError: the array is of another shape or type.
    """
    require_patches(pixels)
    return [_checked(patch) for patch in pixels]


def _checked(patch: npt.NDArray[np.uint8]) -> tuple[Artifact, ...]:
    levels, density = grey(patch), optical_density(patch, shifted=True)
    absorbs = density.mean(axis=-1) > _ABSORBS
    contrast, tissue = float(levels.std()), float(absorbs.mean())
    # Blank comes first: the sharpness divides by the contrast, and the last check by the number of absorbing pixels.
    if contrast < BLANK:
        return (Artifact("blank", contrast, BLANK, _BLANK),)
    if tissue < TISSUE:
        return (Artifact("blank", tissue, TISSUE, _BLANK),)
    sharpness = float(laplacian(levels).std()) / contrast
    if sharpness < BLURRED:
        return (Artifact("blur", sharpness, BLURRED, _BLUR),)
    mean = density.mean(axis=(0, 1))
    green = float(mean[1] / mean.sum())
    if green < GREEN:
        return (Artifact("stain", green, GREEN, _STAIN),)
    # Foreign colours can average to those of H&E, so pixels are counted too.
    red, middle, blue = np.moveaxis(density, -1, 0)
    stained = float((absorbs & (middle >= np.maximum(red, blue) - _TOLERANCE)).sum() / absorbs.sum())
    return (Artifact("stain", stained, STAINED, _STAIN),) if stained < STAINED else ()
