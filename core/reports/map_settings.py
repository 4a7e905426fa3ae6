"""How a saliency map is drawn over its patch: the same settings for page, report and command line."""

from dataclasses import dataclass
from math import isfinite
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from core.attribution import METHODS, Attribution, overlay, saliency_map
from core.data.store import PATCH_SIZE
from core.errors import ConfigError
from core.storage.record import Record

Sign = Literal["own", "absolute", "positive", "signed"]


@dataclass(frozen=True, kw_only=True)
class OverlaySettings(Record):
    """How a saliency map is drawn.

    Attributes:
        opacity: in [0, 1]; 0 shows only the patch, 1 only the map.
        sign: "absolute" shows the magnitude of the attribution, "positive" the evidence for tumour, "signed" the
            evidence for and against it; "own" is the default of the attribution method.
        percentile: in [50, 100], of the map's magnitudes; it gets the full colour, and larger values are clipped to it.
        smoothing: standard deviation of a Gaussian in pixels, in [0, 96].
        centre_box: whether the labelled centre is framed.

    Raises:
        ConfigError: a value is out of its range.
    """

    opacity: float = 0.6
    sign: Sign = "own"
    percentile: float = 99.0
    smoothing: float = 0.0
    centre_box: bool = True

    def __post_init__(self) -> None:
        for name, low, high in (("opacity", 0, 1), ("percentile", 50, 100), ("smoothing", 0, PATCH_SIZE)):
            value = getattr(self, name)
            if not (isfinite(value) and low <= value <= high):
                raise ConfigError(f"The {name} of the overlay must be {low} to {high}, got {value!r}.")
        if self.sign not in get_args(Sign):
            raise ConfigError(f"The sign of the overlay must be one of {', '.join(get_args(Sign))}, got {self.sign!r}.")

    def draw(self, attribution: Attribution, pixels: npt.NDArray[np.uint8], *, zoom: int = 4) -> npt.NDArray[np.uint8]:
        """Return the map over its patch, uint8 (96·zoom)×(96·zoom)×3."""
        return overlay(
            pixels, self.map(attribution), opacity=self.opacity, centre_box=self.centre_box, zoom=zoom, fade=True
        )

    def map(self, attribution: Attribution) -> npt.NDArray[np.float32]:
        """Return the saliency map, float32 96×96 in [-1, 1]."""
        sign = None if self.sign == "own" else self.sign
        return saliency_map(attribution, sign=sign, percentile=self.percentile, smoothing=self.smoothing)

    def legend(self, attribution: Attribution) -> str:
        """Return what the colours mean, in one sentence."""
        sign = METHODS[attribution.method].sign if self.sign == "own" else self.sign
        if sign == "signed":
            return "Red is evidence for tumour, blue is evidence against it."
        if sign == "positive":
            return "The brighter a pixel, the stronger its evidence for tumour."
        return "The brighter a pixel, the larger its attribution."
