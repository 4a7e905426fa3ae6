"""How well a map finds tumour pixels where they are known, as on the synthetic demo set."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.attribution.methods import METHODS
from core.attribution.result import Attribution
from core.attribution.saliency import saliency_map
from core.data.store import PATCH_SIZE
from core.errors import AttributionError


@dataclass(frozen=True)
class GroundTruth:
    """A map against the known tumour pixels of its patch.

    Attributes:
        hit: The map's highest point is a tumour pixel (the pointing game, Zhang 2016, arXiv:1608.00507).
        overlap: Intersection over union of the tumour pixels and as many highest pixels of the map, in [0,
            1].
        inside: Share of the map that lies on tumour pixels, in [0, 1].
        tumour: Share of the patch that is tumour, which is what chance gives for ``hit`` and ``inside``.
        sentence: What it means, in plain words.
    """

    hit: bool
    overlap: float
    inside: float
    tumour: float
    sentence: str


def against_mask(attribution: Attribution, mask: npt.NDArray[np.bool_]) -> GroundTruth:
    """Compare a map with the tumour pixels.

    The map is the saliency map in the method's own sign, where ``signed`` counts as ``positive``: only
    evidence for tumour can point at it. Of equal pixels the first from the top left counts.

    Args:
        attribution: Of a patch whose tumour pixels are known.
        mask: Bool array 96×96, true on tumour.

    Raises:
        AttributionError: The mask has another shape or type, or no tumour pixel.
    """
    if mask.shape != (PATCH_SIZE, PATCH_SIZE) or mask.dtype != np.bool_ or not mask.any():
        raise AttributionError(
            f"Cannot compare a map with a mask of shape {mask.shape}, type {mask.dtype} and "
            f"{np.count_nonzero(mask)} tumour pixels; expected 96×96, bool and at least one."
        )
    found = drawn(attribution).ravel()
    truth = mask.ravel()
    order = np.argsort(-found, kind="stable")
    chosen = np.zeros_like(truth)
    chosen[order[: truth.sum()]] = True
    total = float(found.sum())
    inside = float(found[truth].sum()) / total if total > 0 else 0.0
    hit = bool(total > 0 and truth[order[0]])
    overlap = float((chosen & truth).sum() / (chosen | truth).sum()) if total > 0 else 0.0
    share = float(truth.mean())
    place = "on" if hit else "outside"
    sentence = (
        f"The map's highest point lies {place} the tumour; {inside:.0%} of the map lies on the {share:.0%} "
        f"of the patch that is tumour, and its highest pixels overlap with the tumour by {overlap:.0%}."
    )
    return GroundTruth(hit, overlap, inside, share, sentence)


def drawn(attribution: Attribution, *, smoothing: float = 0.0) -> npt.NDArray[np.float64]:
    """Return the non-negative map that is compared: uncut, so that the highest point is one pixel."""
    return saliency_map(
        attribution,
        sign="absolute" if METHODS[attribution.method].sign == "absolute" else "positive",
        percentile=100.0,
        smoothing=smoothing,
    ).astype(np.float64)
