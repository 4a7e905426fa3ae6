"""Random fields: the smooth and fibrous noise from which tissue is laid out and textured.

All fields are float32 arrays H×W with mean about 0 and standard deviation about 1, unless said otherwise.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]

_COARSEST_STEP = 16


def noise(rng: np.random.Generator, *, size: int, scale: float) -> Field:
    """Draw Gaussian noise whose correlation length is `scale` pixels.

    Long scales are drawn on a coarser grid and interpolated, which costs a fraction and looks the same.

    Args:
        rng: Source of randomness.
        size: Height and width in pixels.
        scale: Standard deviation of the Gaussian smoothing kernel in pixels; 0 gives white noise.

    Returns:
        Field of shape size×size, scaled to mean 0 and standard deviation 1.
    """
    step = 1
    while step * 2 <= min(scale / 1.6, _COARSEST_STEP):
        step *= 2
    low = -(-size // step) + 2
    field = rng.standard_normal((low, low), dtype=np.float32)
    if scale > 0:
        field = ndimage.gaussian_filter(field, scale / step, mode="wrap", truncate=2.5)
    field = (field - field.mean()) / field.std()
    if step > 1:
        field = enlarge(field, step=step, size=size)
        # Interpolation between independent neighbours lowers the contrast.
        field *= 1 / max(float(field[::4, ::4].std()), 1e-6)
    return np.ascontiguousarray(field[:size, :size])


def enlarge(field: Field, *, step: int, size: int) -> Field:
    """Interpolate a coarse field linearly to size×size; its pixels come to lie `step` apart."""
    return np.asarray(_enlarge_rows(_enlarge_rows(field, step, size).T, step, size).T, np.float32)


def _enlarge_rows(field: Field, step: int, size: int) -> Field:
    """Interpolate linearly along the rows' axis to `size` rows, `step` apart in the coarse field."""
    position = np.arange(size, dtype=np.float32) / np.float32(step)
    below = position.astype(np.intp)
    weight = (position - below)[:, None].astype(np.float32)
    lower = field[below]
    return np.asarray(lower + weight * (field[below + 1] - lower), np.float32)


def fractal(rng: np.random.Generator, *, size: int, scales: tuple[float, ...]) -> Field:
    """Sum noise of several scales with equal weight, scaled to standard deviation 1."""
    total = sum((noise(rng, size=size, scale=scale) for scale in scales), np.zeros((size, size), np.float32))
    return np.asarray(total / total.std(), np.float32)


def fibres(rng: np.random.Generator, *, size: int, direction: Field, width: float, length: float) -> Field:
    """Draw wavy fibres: noise that is stretched along slowly turning lines.

    Args:
        rng: Source of randomness.
        size: Height and width in pixels.
        direction: Smooth field size×size that bends the fibres, in pixels of sideways shift.
        width: Width of a fibre in pixels.
        length: Length over which a fibre keeps its shade, in pixels.

    Returns:
        Field of shape size×size with mean about 0 and standard deviation about 1.
    """
    angle = rng.uniform(0, np.pi)
    row, column = np.mgrid[0:size, 0:size].astype(np.float32)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    across = (cos * row + sin * column + direction) / np.float32(width)
    along = (cos * column - sin * row) / np.float32(length)
    texture = noise(rng, size=512, scale=0.8)
    return np.asarray(ndimage.map_coordinates(texture, np.stack([across, along]), order=1, mode="wrap"), np.float32)


def ramp(field: Field, *, low: float, high: float) -> Field:
    """Map a field to [0, 1] with a smooth step between `low` and `high` (3t² - 2t³)."""
    t = np.clip((field - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def above_share(field: Field, *, share: float) -> float:
    """Return the level above which `share` of the field's pixels lie; read from every fourth pixel."""
    return float(np.quantile(field[::4, ::4], 1 - share))
