"""Blobs: where cells lie, what their outlines are, and which pixel belongs to which; thousands at once."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from core.data.demo.fields import Field

Vectors = NDArray[np.float32]

# How far beyond its outline a blob is still measured, so that membranes and soft edges have room.
_REACH = 1.25
# Distance (1024 levels, up to twice the outline) above the blob's number (18 bits: 262,144 blobs) fits 31 bits.
_LEVELS = 1024
_ID_BITS = 18
_FREE = np.iinfo(np.int32).max
# Blobs that are rasterised together: each takes a window of its size, so this bounds the working memory.
_AT_ONCE = 1500


@dataclass(frozen=True)
class Blobs:
    """Positions and outlines of n blobs.

    Attributes:
        centre: Row and column, n×2, in pixels.
        radius: Half the geometric mean of the axes, n, in pixels.
        elongation: Ratio of the long to the short axis, n.
        angle: Direction of the long axis in radians, n.
        bumps: Complex coefficients of the outline's 2nd and 3rd harmonic, n×2.
    """

    centre: Vectors
    radius: Vectors
    elongation: Vectors
    angle: Vectors
    bumps: NDArray[np.complex64]

    def __len__(self) -> int:
        return len(self.radius)


@dataclass(frozen=True)
class Cover:
    """Which blob covers which pixel.

    Attributes:
        rho: Distance from the blob's centre over the outline's distance in the same direction, H×W; 0 in the
            centre, 1 on the outline, 1.25 outside of all blobs.
        owner: Number of the nearest blob in this measure, H×W int32, -1 outside of all blobs.
    """

    rho: Field
    owner: NDArray[np.int32]


def scatter(
    rng: np.random.Generator, *, chance: Field, spacing: float, jitter: float = 0.3, warp: Field | None = None
) -> Vectors:
    """Place points about `spacing` apart, none closer than 0.6 of it, and thin them by a chance map.

    Args:
        rng: Source of randomness.
        chance: Probability of keeping a point, H×W in [0, 1].
        spacing: Distance of neighbours in pixels before the jitter.
        jitter: Standard deviation of the jitter relative to the spacing.
        warp: Smooth field H×W; moves the points sideways by that number of pixels, which hides the grid.

    Returns:
        Row and column of the points, n×2 float32.
    """
    size = chance.shape[0]
    rows = np.arange(-spacing, size + spacing, spacing * 0.87)
    columns = np.arange(-spacing, size + spacing, spacing)
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)
    grid[1::2, :, 1] += spacing / 2
    points = grid.reshape(-1, 2) + rng.normal(0, jitter * spacing, (rows.size * columns.size, 2))
    if warp is not None:
        at = np.clip(points, 0, size - 1).astype(int)
        points += np.stack([warp[at[:, 0], at[:, 1]], warp[at[:, 1], at[:, 0]]], axis=1)
    at = np.rint(points).astype(int)
    inside = ((at >= 0) & (at < size)).all(axis=1)
    points, at = points[inside], at[inside]
    points = points[rng.random(len(points)) < chance[at[:, 0], at[:, 1]]]
    close = cKDTree(points).query_pairs(0.6 * spacing, output_type="ndarray") if len(points) > 1 else np.empty((0, 2))
    keep = np.ones(len(points), bool)
    keep[close[:, 1].astype(int)] = False
    return np.asarray(points[keep], np.float32)


def grow(blobs: Blobs, *, factor: float) -> Blobs:
    """Return the blobs with `factor` times the radius and plain, rounder outlines: cells around nuclei."""
    return replace(
        blobs,
        radius=blobs.radius * np.float32(factor),
        elongation=np.sqrt(blobs.elongation),
        bumps=np.zeros_like(blobs.bumps),
    )


def cover(blobs: Blobs, *, size: int) -> Cover:
    """Find for each pixel of a size×size canvas the blob that covers it; all centres lie on the canvas.

    Distance and number are packed into one integer, so that a single minimum per pixel finds both.
    """
    if not len(blobs):
        return Cover(np.full((size, size), _REACH, np.float32), np.full((size, size), -1, np.int32))
    long_axis = blobs.radius * np.sqrt(blobs.elongation)
    margin = int(np.ceil(float(long_axis.max()) * _REACH)) + 2
    best = np.full((size + 2 * margin, size + 2 * margin), _FREE, np.int32)
    # By size, because all blobs of a chunk are drawn in windows as large as its largest one needs.
    order = np.argsort(long_axis, kind="stable")
    for chunk in np.array_split(order, -(-len(blobs) // _AT_ONCE)):
        _cover_chunk(best, blobs, chunk, margin)
    best = best[margin:-margin, margin:-margin]
    free = best == _FREE
    owner = np.where(free, -1, best & ((1 << _ID_BITS) - 1)).astype(np.int32)
    rho = np.where(free, np.float32(_REACH), (best >> _ID_BITS).astype(np.float32) / _LEVELS)
    return Cover(rho=rho.astype(np.float32), owner=owner)


def _cover_chunk(best: NDArray[np.int32], blobs: Blobs, chunk: NDArray[np.intp], margin: int) -> None:
    radius, stretch = blobs.radius[chunk], np.sqrt(blobs.elongation[chunk])
    half = int(np.ceil(float((radius * stretch).max()) * _REACH)) + 1
    row, column = np.mgrid[-half : half + 1, -half : half + 1].reshape(2, -1).astype(np.int32)
    whole = np.rint(blobs.centre[chunk]).astype(np.int32)
    away = blobs.centre[chunk] - whole.astype(np.float32)
    y = row.astype(np.float32) - away[:, :1]
    x = column.astype(np.float32) - away[:, 1:]
    cos, sin = np.cos(blobs.angle[chunk]), np.sin(blobs.angle[chunk])
    long, short = (1 / (radius * stretch))[:, None], (stretch / radius)[:, None]
    u = cos[:, None] * long * x + sin[:, None] * long * y
    v = cos[:, None] * short * y - sin[:, None] * short * x
    square = (u * u + v * v).ravel()
    hit = np.flatnonzero(square < _REACH**2)
    which, offset = np.divmod(hit, row.size)
    rho = np.sqrt(square[hit])
    if blobs.bumps.any():
        rho /= _outline(u.ravel()[hit], v.ravel()[hit], square[hit], blobs.bumps[chunk[which]])
    width = best.shape[1]
    start = (whole[:, 0] + margin) * width + whole[:, 1] + margin
    pixel = start[which] + (row * width + column)[offset]
    key = (np.minimum(rho * _LEVELS, _LEVELS * 2).astype(np.int32) << _ID_BITS) | chunk[which].astype(np.int32)
    np.minimum.at(best.reshape(-1), pixel, key)


def _outline(u: Field, v: Field, square: Field, bumps: NDArray[np.complex64]) -> Field:
    """Distance of the outline in the direction (u, v): 1 plus the 2nd and 3rd harmonic of the angle."""
    scale = 1 / np.sqrt(np.maximum(square, np.float32(1e-6)))
    c1, s1 = u * scale, v * scale
    c2, s2 = c1 * c1 - s1 * s1, 2 * c1 * s1
    c3, s3 = c2 * c1 - s2 * s1, s2 * c1 + c2 * s1
    wave = c2 * bumps[:, 0].real - s2 * bumps[:, 0].imag + c3 * bumps[:, 1].real - s3 * bumps[:, 1].imag
    return np.maximum(1 + wave, np.float32(0.4))
