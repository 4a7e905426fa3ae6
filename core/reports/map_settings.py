"""How a map is drawn over its patch: the same settings for page, report and command line."""

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from core.attribution import METHODS, Attribution, overlay, saliency_map
from core.data.store import PATCH_SIZE
from core.errors import ConfigError

Sign = Literal["own", "absolute", "positive", "signed"]


@dataclass(frozen=True, kw_only=True)
class OverlaySettings:
    """How a map is drawn.

    Attributes:
        opacity: 0 shows the patch alone, 1 the map alone.
        sign: "own" is the method's own; "absolute" sizes, "positive" what speaks for tumour, "signed" both.
        percentile: of the map's sizes that becomes full colour; the outliers above are cut.
        smoothing: standard deviation of a Gaussian in pixels.
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
                raise ConfigError(f"The map's {name} is {value!r}; give a number from {low} to {high}.")
        if self.sign not in ("own", "absolute", "positive", "signed"):
            raise ConfigError(f"The map's sign is {self.sign!r}; choose own, absolute, positive or signed.")

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
        """Return what the colours say, in plain words."""
        sign = METHODS[attribution.method].sign if self.sign == "own" else self.sign
        if sign == "signed":
            return "Red speaks for tumour, blue against it."
        return (
            "The brighter, the more it speaks for tumour."
            if sign == "positive"
            else "The brighter, the more it counts."
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)
