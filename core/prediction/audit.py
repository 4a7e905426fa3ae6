"""The centre audit: does a model read the centre, which carries the label, or the rim, which does not?

Two independent looks. *Blanking*: how far the probability moves when the centre, or all but the centre, is painted
over. *Attribution*: which share of a saliency method's map lies in the centre; a map spread evenly has 1/9 there. The
rim is context, and a good model may use some of it; a model that follows the rim more than the centre answers another
question than the one it was asked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from core.attribution import attribute, centre_share
from core.data.store import CENTRE
from core.errors import EvaluationError
from core.prediction.predictor import Predictor

CHANCE = 1 / 9
"""The centre's share of the patch's area."""

FEWEST = 20
"""With fewer patches no verdict is given."""

_RESAMPLES = 2000

Fill = Literal["mean", "white"]


@dataclass(frozen=True, eq=False)
class CentreAudit:
    """What blanking and attribution say of N patches.

    Attributes:
        probabilities: (N,) of the patches as they are.
        without_centre: (N,) with the centre 32×32 painted over.
        without_rim: (N,) with everything but the centre painted over.
        shares: (M,) the centre's share of the absolute attribution, for the first M patches that have one.
        method: the attribution method, or "" where there was none.
        fill: what the paint was.
    """

    probabilities: npt.NDArray[np.float64]
    without_centre: npt.NDArray[np.float64]
    without_rim: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]
    method: str
    fill: Fill

    @property
    def centre_effect(self) -> npt.NDArray[np.float64]:
        """How far the probability moves without the centre, (N,)."""
        return np.abs(self.probabilities - self.without_centre)

    @property
    def rim_effect(self) -> npt.NDArray[np.float64]:
        """How far the probability moves without the rim, (N,)."""
        return np.abs(self.probabilities - self.without_rim)

    def lead(self, *, seed: int = 0) -> tuple[float, float, float]:
        """Return the mean of centre effect minus rim effect, with its 95 % bootstrap interval over patches."""
        difference = self.centre_effect - self.rim_effect
        drawn = np.random.default_rng(seed).integers(len(difference), size=(_RESAMPLES, len(difference)))
        low, high = np.quantile(difference[drawn].mean(axis=1), (0.025, 0.975))
        return float(difference.mean()), float(low), float(high)

    @property
    def verdict(self) -> Literal["centre", "rim", "both", "unknown"]:
        """What the model reads, by blanking: "rim" or "centre" where the interval of :meth:`lead` leaves no doubt."""
        if len(self.probabilities) < FEWEST:
            return "unknown"
        if max(float(self.centre_effect.mean()), float(self.rim_effect.mean())) < 0.01:
            return "unknown"
        _, low, high = self.lead()
        return "centre" if low > 0 else "rim" if high < 0 else "both"

    @property
    def sentence(self) -> str:
        """The verdict in plain words, with its figures."""
        centre, rim = float(self.centre_effect.mean()), float(self.rim_effect.mean())
        figures = f"Blanking the centre moves the probability by {centre:.0%} on average, blanking the rim by {rim:.0%}"
        return {
            "centre": f"{figures}: the model reads the centre, as it should.",
            "rim": f"{figures}: the model reads the rim more than the centre, although the label knows only the "
            "centre. Do not trust it on patches whose surroundings differ.",
            "both": f"{figures}: the model leans on both alike.",
            "unknown": f"{figures}: too little, or too few patches ({len(self.probabilities)}), for a verdict.",
        }[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        mean, low, high = self.lead()
        return {
            "n": len(self.probabilities),
            "centre_effect": float(self.centre_effect.mean()),
            "rim_effect": float(self.rim_effect.mean()),
            "lead": {"value": mean, "low": low, "high": high},
            "centre_share": float(np.median(self.shares)) if len(self.shares) else None,
            "maps": len(self.shares),
            "method": self.method,
            "fill": self.fill,
            "verdict": self.verdict,
            "sentence": self.sentence,
        }


def audit_centre(
    predictor: Predictor,
    pixels: npt.NDArray[np.uint8],
    *,
    method: str = "",
    maps: int = 0,
    fill: Fill = "mean",
    progress: Callable[[float], None] | None = None,
) -> CentreAudit:
    """Blank centre and rim of patches, and explain some of them.

    Args:
        predictor: the model on its device.
        pixels: uint8 N×96×96×3.
        method: attribution method for the maps, see :data:`core.attribution.METHODS`.
        maps: how many patches are explained, from the first; each costs about two forward passes or more.
        fill: paint with the patch's mean colour, which keeps its stain, or with white, the colour of bare glass.
        progress: told the finished share; what it raises ends the work.

    Raises:
        EvaluationError: there are no patches.
        AttributionError: the method means nothing on this network.
    """
    if not len(pixels):
        raise EvaluationError("There are no patches to audit; choose a part of the data set that holds some.")
    without_centre, without_rim = blanked(pixels, fill=fill)
    wanted = min(maps, len(pixels)) if method else 0
    whole = 3 * len(pixels) + 3 * wanted

    def part(start: int, length: int) -> Callable[[float], None]:
        return lambda share: progress((start + share * length) / whole) if progress else None

    count = len(pixels)
    whole_patch, no_centre, no_rim = (
        predictor.predict(each, progress=part(number * count, count)).probabilities
        for number, each in enumerate((pixels, without_centre, without_rim))
    )
    shares = []
    for number in range(wanted):
        shares.append(centre_share(attribute(predictor.module, pixels[number], method=method)))
        part(3 * count, 3 * wanted)((number + 1) / wanted)
    known = np.array([share for share in shares if share == share], np.float64)
    return CentreAudit(whole_patch, no_centre, no_rim, known, method if wanted else "", fill)


def blanked(
    pixels: npt.NDArray[np.uint8], *, fill: Fill = "mean"
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return two copies of patches, uint8 N×96×96×3: with the centre painted over, and with all but the centre."""
    if fill == "white":
        paint = np.full((len(pixels), 1, 1, 3), 255, np.uint8)
    else:
        paint = pixels.mean(axis=(1, 2), keepdims=True).round().astype(np.uint8)
    without_centre = pixels.copy()
    without_centre[:, CENTRE, CENTRE] = paint
    without_rim = np.broadcast_to(paint, pixels.shape).copy()
    without_rim[:, CENTRE, CENTRE] = pixels[:, CENTRE, CENTRE]
    return without_centre, without_rim
