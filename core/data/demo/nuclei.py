"""Nuclei: what each kind of cell's nucleus looks like, and drawing thousands of them at once.

Sizes are in pixels at about 0.97 µm per pixel, so a resting lymphocyte's nucleus of about 7 µm is 7 wide.
"""

from dataclasses import dataclass

import numpy as np

from core.data.demo.blobs import Blobs, Vectors, cover
from core.data.demo.fields import Field, ramp


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


LYMPHOCYTE = NucleusKind(
    diameter=7.0,
    diameter_spread=0.1,
    elongation=1.15,
    irregularity=0.08,
    density=1.6,
    density_spread=0.15,
    chromatin=0.3,
)
"""Small, dark, round and dense, with hardly any cytoplasm."""

CENTROBLAST = NucleusKind(
    diameter=9.2,
    diameter_spread=0.12,
    elongation=1.15,
    density=1.2,
    clearing=0.35,
    chromatin=0.25,
    nucleoli=0.4,
)
"""Larger lymphoid cells of germinal centres, so that size alone does not tell the classes apart."""

HISTIOCYTE = NucleusKind(
    diameter=9.0,
    diameter_spread=0.12,
    elongation=1.5,
    irregularity=0.07,
    density=0.85,
    clearing=0.4,
    nucleoli=0.2,
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
"""Large, of varying size and shape, with cleared chromatin and nucleoli; slides vary these values."""


def shape_blobs(rng: np.random.Generator, kind: NucleusKind, centre: Vectors, *, angle: Vectors | None = None) -> Blobs:
    """Give each position an outline drawn from the kind; `angle` in radians fixes the directions."""
    n = len(centre)
    diameter = kind.diameter * np.exp(rng.normal(0, kind.diameter_spread, n))
    # A gamma of mean 1, so that few nuclei are much longer than the rest and none is shorter than round.
    stretch = 1 + (kind.elongation - 1) * rng.gamma(4.0, 0.25, n)
    bumps = rng.normal(0, kind.irregularity / 2, (n, 2)) + 1j * rng.normal(0, kind.irregularity / 2, (n, 2))
    return Blobs(
        centre=centre,
        radius=(diameter / 2).astype(np.float32),
        elongation=np.clip(stretch, 1, 5).astype(np.float32),
        angle=(rng.uniform(0, np.pi, n) if angle is None else angle).astype(np.float32),
        bumps=bumps.astype(np.complex64),
    )


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
    # A darker nucleus is a less cleared one: hyperchromatic and vesicular are two ends of one scale.
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
