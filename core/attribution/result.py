"""What an attribution is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.data.store import CENTRE, PATCH_SIZE
from core.errors import AttributionError


@dataclass(frozen=True, eq=False)
class Attribution:
    """A signed attribution of one patch's tumour logit to its pixels.

    Attributes:
        values: float32 array 3×96×96 (channel, row, column), read-only; positive is evidence for tumour. A method
            that gives one value a place (CAM) is spread equally over the three channels, so that the sum over
            channels is its map. Units: logit for methods that promise completeness, input × gradient
            and occlusion; logit per pixel unit for the gradients.
        method: Name of the method in ``METHODS``.
        logit: The network's logit for the patch; with symmetries the mean over the eight views.
        baseline_logit: The logit for the baseline, ``None`` for methods without one.
        completeness_gap: ``values.sum() - (logit - baseline_logit)``, in logits, 0 when the attributions add
            up; ``None`` for methods that do not promise it.

    Raises:
        AttributionError: The values have another shape or are not all finite.
    """

    values: npt.NDArray[np.float32]
    method: str
    logit: float
    baseline_logit: float | None = None
    completeness_gap: float | None = None

    def __post_init__(self) -> None:
        if self.values.shape != (3, PATCH_SIZE, PATCH_SIZE) or self.values.dtype != np.float32:
            raise AttributionError(
                f"The attribution by {self.method} has shape {self.values.shape} and type "
                f"{self.values.dtype}; expected 3×96×96 and float32."
            )
        bad = int(self.values.size - np.isfinite(self.values).sum())
        if bad:
            raise AttributionError(
                f"The attribution by {self.method} has {bad} values that are not finite numbers. "
                f"Choose another method for this network."
            )
        self.values.flags.writeable = False


CENTRE_CHANCE = 1 / 9
"""The centre's share of the patch's area, and so of a map that is the same everywhere."""


def centre_share(attribution: Attribution) -> float:
    """Return the share of the absolute attribution that lies in the centre 32×32.

    Returns:
        A number in [0, 1]; chance gives 1/9, the centre's share of the area. NaN for an attribution that is
        zero everywhere, which has no share to speak of.
    """
    size = np.abs(attribution.values).astype(np.float64)
    total = float(size.sum())
    return float(size[..., CENTRE, CENTRE].sum()) / total if total > 0 else float("nan")
