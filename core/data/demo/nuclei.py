"""Cells as blobs: kinds of nuclei, where they lie, and drawing thousands of them at once.

Sizes are in pixels at about 0.97 µm per pixel, so a resting lymphocyte's nucleus of about 7 µm is 7 pixels wide.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from core.data.demo.fields import Field, ramp
from core.errors import ConfigError

Vectors = NDArray[np.float32]

_REACH = 1.25
_LEVELS = 1024
_ID_BITS = 18
_FREE = np.iinfo(np.int32).max
_AT_ONCE = 1500


@dataclass(frozen=True)
class NucleusKind:
    """What the nuclei of one kind of cell look like.

    Attributes:
        diameter: Mean diameter in pixels, > 0.
        diameter_spread: Relative standard deviation of the diameter, ≥ 0.
        elongation: Mean ratio of the long to the short axis, ≥ 1.
        irregularity: Size of the bumps in the outline, relative to the radius, in [0, 0.4].
        density: Haematoxylin concentration of a filled nucleus, > 0.
        density_spread: Relative standard deviation of the concentration between nuclei, ≥ 0.
        clearing: How far the inside of the nucleus is cleared (vesicular) against its rim, in [0, 1].
        chromatin: Relative strength of the chromatin's clumps, ≥ 0.
        nucleoli: Mean number of nucleoli, ≥ 0.

    Raises:
        ConfigError: If a figure is out of its range.
    """

    diameter: float
    diameter_spread: float = 0.1
    elongation: float = 1.1
    irregularity: float = 0.05
    density: float = 1.8
    density_spread: float = 0.1
    clearing: float = 0.1
    chromatin: float = 0.2
    nucleoli: float = 0.0

    def __post_init__(self) -> None:
        if self.diameter <= 0 or self.density <= 0 or self.elongation < 1:
            raise ConfigError(
                f"A nucleus has diameter {self.diameter}, density {self.density} and elongation {self.elongation}; "
                "expected diameter and density > 0 and elongation ≥ 1."
            )
        if not (0 <= self.irregularity <= 0.4 and 0 <= self.clearing <= 1):
            raise ConfigError(
                f"A nucleus has irregularity {self.irregularity} and clearing {self.clearing}; expected them in "
                "[0, 0.4] and [0, 1]."
            )
        if min(self.diameter_spread, self.density_spread, self.chromatin, self.nucleoli) < 0:
            raise ConfigError("A nucleus has a negative spread, chromatin or number of nucleoli; expected each ≥ 0.")


LYMPHOCYTE = NucleusKind(
    diameter=7.0, diameter_spread=0.1, elongation=1.15, irregularity=0.08, density=1.6, density_spread=0.15, chromatin=0.3
)
"""Small, dark, round and dense, with hardly any cytoplasm."""

CENTROBLAST = NucleusKind(
    diameter=9.2, diameter_spread=0.12, elongation=1.15, density=1.2, clearing=0.35, chromatin=0.25, nucleoli=0.4
)
"""Larger lymphoid cells of germinal centres, so that size alone does not tell the classes apart."""

HISTIOCYTE = NucleusKind(
    diameter=9.0, diameter_spread=0.12, elongation=1.5, irregularity=0.07, density=0.85, clearing=0.4, nucleoli=0.2
)
"""Oval and pale, in abundant pale cytoplasm; fills the sinuses."""

FIBROBLAST = NucleusKind(
    diameter=6.4, diameter_spread=0.2, elongation=3.2, irregularity=0.08, density=1.2, density_spread=0.2
)
"""Thin spindles along the fibres."""

TUMOUR = NucleusKind(
    diameter=14.0,
    diameter_spread=0.16,
    elongation=1.3,
    irregularity=0.12,
    density=1.1,
    density_spread=0.2,
    clearing=0.45,
    chromatin=0.25,
    nucleoli=0.9,
)
"""Large, of varying size and shape, with cleared chromatin and nucleoli; slides vary these figures."""


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
        rho: Distance from the blob's centre over the outline's distance in the same direction, H×W; 0 in the centre, 1 on
            the outline, 1.25 outside of all blobs.
        owner: Number of the nearest blob in this measure, H×W int32, -1 outside of all blobs.
    """

    rho: Field
    owner: NDArray[np.int32]


def scatter(
    rng: np.random.Generator, *, chance: Field, spacing: float, jitter: float = 0.3, warp: Field | None = None
) -> Vectors:
    """Place points about `spacing` apart, without overlap closer than 0.6 of it, and thin them by a chance map.

    Args:
        rng: Source of randomness.
        chance: Probability of keeping a point, H×W in [0, 1].
        spacing: Distance of neighbours in pixels before the jitter.
        jitter: Standard deviation of the jitter relative to the spacing.
        warp: Smooth field H×W; moves the points sideways by so many pixels, which hides the grid.

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
    return points[keep].astype(np.float32)


def shape_blobs(
    rng: np.random.Generator, kind: NucleusKind, centre: Vectors, *, angle: Vectors | None = None
) -> Blobs:
    """Give each position an outline drawn from the kind; `angle` in radians fixes the directions."""
    n = len(centre)
    diameter = kind.diameter * np.exp(rng.normal(0, kind.diameter_spread, n))
    stretch = 1 + (kind.elongation - 1) * rng.gamma(4.0, 0.25, n)
    bumps = rng.normal(0, kind.irregularity / 2, (n, 2)) + 1j * rng.normal(0, kind.irregularity / 2, (n, 2))
    return Blobs(
        centre=centre,
        radius=(diameter / 2).astype(np.float32),
        elongation=np.clip(stretch, 1, 5).astype(np.float32),
        angle=(rng.uniform(0, np.pi, n) if angle is None else angle).astype(np.float32),
        bumps=bumps.astype(np.complex64),
    )


def grow(blobs: Blobs, *, factor: float) -> Blobs:
    """Return the same blobs with `factor` times the radius and plain, rounder outlines, such as cells around nuclei."""
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
    order = np.argsort(long_axis, kind="stable")
    for part in np.array_split(order, -(-len(blobs) // _AT_ONCE)):
        _cover_part(best, blobs, part, margin)
    best = best[margin:-margin, margin:-margin]
    free = best == _FREE
    owner = np.where(free, -1, best & ((1 << _ID_BITS) - 1)).astype(np.int32)
    rho = np.where(free, np.float32(_REACH), (best >> _ID_BITS).astype(np.float32) / _LEVELS)
    return Cover(rho=rho.astype(np.float32), owner=owner)


def _cover_part(best: NDArray[np.int32], blobs: Blobs, part: NDArray[np.intp], margin: int) -> None:
    radius, stretch = blobs.radius[part], np.sqrt(blobs.elongation[part])
    half = int(np.ceil(float((radius * stretch).max()) * _REACH)) + 1
    row, column = np.mgrid[-half : half + 1, -half : half + 1].reshape(2, -1).astype(np.int32)
    whole = np.rint(blobs.centre[part]).astype(np.int32)
    y = row - (blobs.centre[part] - whole)[:, :1]
    x = column - (blobs.centre[part] - whole)[:, 1:]
    cos, sin = np.cos(blobs.angle[part]), np.sin(blobs.angle[part])
    long, short = (1 / (radius * stretch))[:, None], (stretch / radius)[:, None]
    u = cos[:, None] * long * x + sin[:, None] * long * y
    v = cos[:, None] * short * y - sin[:, None] * short * x
    square = (u * u + v * v).ravel()
    hit = np.flatnonzero(square < _REACH**2)
    which, offset = np.divmod(hit, row.size)
    rho = np.sqrt(square[hit])
    if blobs.bumps.any():
        rho /= _outline(u.ravel()[hit], v.ravel()[hit], square[hit], blobs.bumps[part[which]])
    width = best.shape[1]
    start = (whole[:, 0] + margin) * width + whole[:, 1] + margin
    pixel = start[which] + (row * width + column)[offset]
    key = (np.minimum(rho * _LEVELS, _LEVELS * 2).astype(np.int32) << _ID_BITS) | part[which].astype(np.int32)
    np.minimum.at(best.reshape(-1), pixel, key)


def _outline(u: Field, v: Field, square: Field, bumps: NDArray[np.complex64]) -> Field:
    """Distance of the outline in the direction (u, v): 1 plus the 2nd and 3rd harmonic of the angle."""
    scale = 1 / np.sqrt(np.maximum(square, np.float32(1e-6)))
    c1, s1 = u * scale, v * scale
    c2, s2 = c1 * c1 - s1 * s1, 2 * c1 * s1
    c3, s3 = c2 * c1 - s2 * s1, s2 * c1 + c2 * s1
    wave = c2 * bumps[:, 0].real - s2 * bumps[:, 0].imag + c3 * bumps[:, 1].real - s3 * bumps[:, 1].imag
    return np.maximum(1 + wave, np.float32(0.4))


def paint_nuclei(
    rng: np.random.Generator, kind: NucleusKind, blobs: Blobs, *, size: int, chromatin: Field
) -> tuple[Field, Field]:
    """Draw nuclei: rim, cleared inside, chromatin clumps and nucleoli.

    Args:
        rng: Source of randomness.
        kind: Look of the nuclei.
        blobs: Where they lie; outlines from :func:`shape_blobs`.
        size: Height and width of the canvas in pixels.
        chromatin: Fine noise size×size with standard deviation 1.

    Returns:
        Haematoxylin concentration and cover (1 inside, 0 outside, soft on the outline), both size×size.
    """
    if not len(blobs):
        return np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    found = cover(blobs, size=size)
    inside = np.flatnonzero(found.owner.ravel() >= 0)
    owner, rho = found.owner.ravel()[inside], found.rho.ravel()[inside]
    n = len(blobs)
    level = (kind.density * np.exp(rng.normal(0, kind.density_spread, n))).astype(np.float32)
    clearing = np.clip(kind.clearing * rng.gamma(6.0, 1 / 6, n), 0, 0.85).astype(np.float32)
    # A darker nucleus is a less cleared one: hyperchromatic and vesicular nuclei lie at the ends of one scale.
    level *= 1 + 0.5 * (kind.clearing - clearing)
    alpha = np.clip((1 - rho) * blobs.radius[owner] / 0.9 + 0.5, 0, 1)
    body = 1 - clearing[owner] * ramp(1 - rho, low=0.03, high=0.28)
    clumps = np.clip(1 + np.float32(kind.chromatin) * chromatin.ravel()[inside], 0.3, 1.8)
    shade = alpha * level[owner] * body * clumps
    out = np.zeros(size * size, np.float32)
    out[inside] = shade
    covered = np.zeros(size * size, np.float32)
    covered[inside] = alpha
    density = out.reshape(size, size)
    if kind.nucleoli:
        density += _nucleoli(rng, kind, blobs, size) * covered.reshape(size, size)
    return density, covered.reshape(size, size)


def _nucleoli(rng: np.random.Generator, kind: NucleusKind, blobs: Blobs, size: int) -> Field:
    mother = np.repeat(np.arange(len(blobs)), rng.poisson(kind.nucleoli, len(blobs)))
    away = rng.normal(0, 0.28, (len(mother), 2)) * blobs.radius[mother][:, None]
    radius = np.clip(blobs.radius[mother] * rng.uniform(0.15, 0.27, len(mother)), 0.9, 2.4)
    spots = Blobs(
        centre=np.clip(blobs.centre[mother] + away, 0, size - 1).astype(np.float32),
        radius=radius.astype(np.float32),
        elongation=np.ones(len(mother), np.float32),
        angle=np.zeros(len(mother), np.float32),
        bumps=np.zeros((len(mother), 2), np.complex64),
    )
    found = cover(spots, size=size)
    return (0.85 * ramp(-found.rho, low=-1.25, high=-0.4)).astype(np.float32)
