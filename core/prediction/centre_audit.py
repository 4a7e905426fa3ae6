"""The centre audit: does a model read the centre, which carries the label, or the rim, which does not?

Two independent measurements. *Blanking*: how far the probability moves when the centre is painted over, against an
equally large piece of the rim (the mean of the eight around the centre). Painting over the whole rim at once is
reported too, but covers eight times the area, which makes it no fair comparison. *Attribution*: which share of a
saliency method's map lies in the centre; a map spread evenly has 1/9 there. The rim is context, and a good model may
use some of it; a model that relies on the rim more than on the centre predicts something else than the label.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.attribution import attribute, centre_share
from core.data.store import CENTRE
from core.errors import EvaluationError
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress, within

FEWEST = 20
"""With fewer patches no verdict is given."""

_RESAMPLES = 2000
_UNMOVED = 0.005  # on average; below, blanking hardly moves the probability

Fill = Literal["mean", "white"]


@dataclass(frozen=True, eq=False)
class CentreAudit:
    """The result of blanking and attribution for N patches.

    Attributes:
        probabilities: (N,) of the patches as they are.
        without_centre: (N,) with the centre 32×32 painted over.
        without_rim: (N,) with everything but the centre painted over.
        without_pieces: (N, 8) with one of the eight pieces 32×32 around the centre painted over.
        shares: (M,) the centre's share of the absolute attribution, for the first M patches that have one.
        method: the attribution method, or "" where there was none.
        fill: what the paint was.
    """

    probabilities: npt.NDArray[np.float64]
    without_centre: npt.NDArray[np.float64]
    without_rim: npt.NDArray[np.float64]
    without_pieces: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]
    method: str
    fill: Fill

    @property
    def centre_effect(self) -> npt.NDArray[np.float64]:
        """How far the probability moves without the centre, (N,)."""
        return np.abs(self.probabilities - self.without_centre)

    @property
    def rim_effect(self) -> npt.NDArray[np.float64]:
        """How far the probability moves without the whole rim, (N,)."""
        return np.abs(self.probabilities - self.without_rim)

    @property
    def piece_effect(self) -> npt.NDArray[np.float64]:
        """How far the probability moves without a piece of the rim as large as the centre, (N,): mean of the eight."""
        moved = np.abs(self.probabilities[:, None] - self.without_pieces)
        return np.asarray(moved.mean(axis=1), dtype=np.float64)

    def lead(self, *, seed: int = 0) -> tuple[float, float, float]:
        """Return the mean of centre effect minus piece effect, with its 95% bootstrap interval over patches."""
        difference = self.centre_effect - self.piece_effect
        # The seed is fixed by default, because the verdict follows from this and must not change when it is read again.
        drawn = np.random.default_rng(seed).integers(len(difference), size=(_RESAMPLES, len(difference)))
        low, high = np.quantile(difference[drawn].mean(axis=1), (0.025, 0.975))
        return float(difference.mean()), float(low), float(high)

    @property
    def verdict(self) -> Literal["centre", "rim", "both", "unknown"]:
        """What the model reads, by blanking: "rim" or "centre" where the interval of :meth:`lead` is clear of 0."""
        if len(self.probabilities) < FEWEST:
            return "unknown"
        if max(float(self.centre_effect.mean()), float(self.rim_effect.mean())) < _UNMOVED:
            return "unknown"
        _, low, high = self.lead()
        return "centre" if low > 0 else "rim" if high < 0 else "both"

    @property
    def sentence(self) -> str:
        """The verdict in a sentence, with its numbers."""
        centre, piece = float(self.centre_effect.mean()), float(self.piece_effect.mean())
        effects = (
            f"Blanking the centre moves the probability by {centre:.1%} on average, an equally large piece of the rim "
            f"by {piece:.1%}, and the whole rim by {float(self.rim_effect.mean()):.1%}"
        )
        return {
            "centre": f"{effects}: the model relies on the centre more than on other places, as it should.",
            "rim": f"{effects}: the model relies on the rim more than on the centre, although only the centre "
            "decides the label. Do not trust it on patches whose surroundings differ.",
            "both": f"{effects}: the model relies on the centre no more than on other places.",
            "unknown": f"{effects}: too little, or too few patches ({len(self.probabilities)}), for a verdict.",
        }[self.verdict]


def audit_centre(
    predictor: Predictor,
    pixels: npt.NDArray[np.uint8],
    *,
    method: str = "",
    maps: int = 0,
    fill: Fill = "mean",
    progress: Progress = no_progress,
) -> CentreAudit:
    """Blank centre and rim of patches, and explain some of them.

    Args:
        predictor: the model on its device.
        pixels: uint8 N×96×96×3.
        method: attribution method for the maps, see :data:`core.attribution.METHODS`.
        maps: how many patches are explained, from the first; each costs about two forward passes or more.
        fill: paint with the patch's mean colour, which keeps its stain, or with white, the colour of bare glass.
        progress: receives the finished share; what it raises ends the work.

    Raises:
        EvaluationError: there are no patches.
        AttributionError: the network does not support the method.
    """
    if not len(pixels):
        raise EvaluationError("There are no patches to audit; choose a split that holds some.")
    wanted = min(maps, len(pixels)) if method else 0
    variants = [pixels, *blanked(pixels, fill=fill), *without_pieces(pixels, fill=fill)]
    count = len(pixels)
    # In forward passes: one for each variant of a patch, and about three for an attribution.
    whole = len(variants) * count + 3 * wanted
    probabilities = [
        predictor.predict(
            each, progress=within(progress, number * count / whole, (number + 1) * count / whole)
        ).probabilities
        for number, each in enumerate(variants)
    ]
    explaining = within(progress, len(variants) * count / whole, 1.0)
    shares = []
    for number in range(wanted):
        shares.append(centre_share(attribute(predictor.module, predictor.seen(pixels[number]), method=method)))
        explaining((number + 1) / wanted)
    # An attribution that is zero everywhere has no share (NaN).
    known = np.array([share for share in shares if share == share], np.float64)
    whole_patch, no_centre, no_rim, *pieces = probabilities
    return CentreAudit(whole_patch, no_centre, no_rim, np.stack(pieces, axis=1), known, method if wanted else "", fill)


def blanked(
    pixels: npt.NDArray[np.uint8], *, fill: Fill = "mean"
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return two copies of patches, uint8 N×96×96×3: with the centre painted over, and with all but the centre."""
    paint = _paint(pixels, fill)
    without_centre = pixels.copy()
    without_centre[:, CENTRE, CENTRE] = paint
    without_rim = np.broadcast_to(paint, pixels.shape).copy()
    without_rim[:, CENTRE, CENTRE] = pixels[:, CENTRE, CENTRE]
    return without_centre, without_rim


def without_pieces(pixels: npt.NDArray[np.uint8], *, fill: Fill = "mean") -> list[npt.NDArray[np.uint8]]:
    """Return eight copies of patches, each with another of the 32×32 pieces around the centre painted over."""
    paint, size = _paint(pixels, fill), CENTRE.stop - CENTRE.start
    copies = []
    for top in range(0, 3 * size, size):
        for left in range(0, 3 * size, size):
            if (top, left) != (CENTRE.start, CENTRE.start):
                copy = pixels.copy()
                copy[:, top : top + size, left : left + size] = paint
                copies.append(copy)
    return copies


def _paint(pixels: npt.NDArray[np.uint8], fill: Fill) -> npt.NDArray[np.uint8]:
    """Return one colour for each patch, N×1×1×3."""
    if fill == "white":
        return np.full((len(pixels), 1, 1, 3), 255, np.uint8)
    return np.asarray(pixels.mean(axis=(1, 2), keepdims=True).round(), dtype=np.uint8)
