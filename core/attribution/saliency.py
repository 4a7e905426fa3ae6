"""From a signed attribution to a map for the eye."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from core.attribution.methods import METHODS, Sign
from core.attribution.result import Attribution
from core.data.store import PATCH_SIZE
from core.errors import AttributionError, ConfigError


def saliency_map(
    attribution: Attribution | npt.NDArray[np.float32],
    *,
    sign: Sign | None = None,
    percentile: float = 99.0,
    smoothing: float = 0.0,
) -> npt.NDArray[np.float32]:
    """Return the saliency map of an attribution.

    The channels are added up, smoothed, and divided by a high percentile, so that a few outliers do not leave
    the rest dark; what lies above is cut.

    Args:
        attribution: The attribution, or its values 3×96×96.
        sign: ``absolute`` adds up the sizes, whatever the sign; ``positive`` keeps evidence for tumour;
            ``signed`` keeps both. Without it, the method's own (``absolute`` for bare values).
        percentile: Percentile of the map's absolute values, in (0, 100], that becomes 1. Where it is zero, as
            in a map with few non-zero pixels, the largest value takes its place.
        smoothing: Standard deviation of a Gaussian, in pixels; 0 leaves the map as it is.

    Returns:
        float32 array 96×96 in [0, 1], or in [-1, 1] for ``signed``. A map that is zero everywhere stays zero.

    Raises:
        AttributionError: The values are not finite or have another shape.
        ConfigError: A setting is out of its range.
    """
    if not 0 < percentile <= 100:
        raise ConfigError(f"percentile must be above 0 and at most 100, got {percentile!r}.")
    if not 0 <= smoothing <= PATCH_SIZE:
        raise ConfigError(f"smoothing must be 0 to {PATCH_SIZE} pixels, got {smoothing!r}.")
    values, preferred = _values(attribution)
    drawn = _flat(values, preferred if sign is None else sign)
    if smoothing > 0:
        drawn = gaussian_filter(drawn, smoothing, mode="nearest")
    size = np.abs(drawn)
    top = float(np.percentile(size, percentile)) or float(size.max())
    if top == 0:
        return np.zeros((PATCH_SIZE, PATCH_SIZE), np.float32)
    return np.clip(drawn / top, -1, 1).astype(np.float32)


def _values(attribution: Attribution | npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], Sign]:
    if isinstance(attribution, Attribution):
        return attribution.values.astype(np.float64), METHODS[attribution.method].sign
    if attribution.shape != (3, PATCH_SIZE, PATCH_SIZE) or not np.isfinite(attribution).all():
        raise AttributionError(
            f"Cannot draw an attribution of shape {attribution.shape}; expected 3×96×96 with finite values."
        )
    return attribution.astype(np.float64), "absolute"


def _flat(values: npt.NDArray[np.float64], sign: Sign) -> npt.NDArray[np.float64]:
    if sign == "absolute":
        return np.asarray(np.abs(values).sum(axis=0))
    if sign == "positive":
        return np.asarray(np.maximum(values.sum(axis=0), 0))
    if sign == "signed":
        return np.asarray(values.sum(axis=0))
    raise ConfigError(f"There is no sign {sign!r} of a saliency map; choose absolute, positive or signed.")
