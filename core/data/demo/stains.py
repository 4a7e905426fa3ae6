"""Haematoxylin and eosin: stain vectors and Beer-Lambert mixing.

Light that passes stained tissue is weakened exponentially, so stains add up in optical density and not in
colour::

    RGB = background · exp(-(H · h + E · e))

`h` and `e` are the concentrations, `H` and `E` the stains' optical density in red, green and blue as unit
vectors (Ruifrok & Johnston, "Quantification of histochemical staining by color deconvolution", Anal Quant
Cytol Histol 2001). Four families are drawn, as public lymph-node sets mix scanners and laboratories: their
nuclei look violet, blue or brownish purple. Their centres began as cluster means of the vectors that
Macenko's method (Macenko et al., ISBI 2009) estimates from real lymph-node patches; then eosin was moved
towards the purer stain, and the blue family's haematoxylin towards violet, by eye. They are settings of
the simulation and not measurements.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.data.demo.fields import Field
from core.data.measures import LUMINANCE
from core.stain import RUIFROK_EOSIN, RUIFROK_HAEMATOXYLIN

Vector = tuple[float, float, float]

_FAMILIES: tuple[tuple[float, Vector, Vector], ...] = (
    (0.28, (0.58, 0.76, 0.29), (0.16, 0.95, 0.25)),
    (0.28, (0.56, 0.63, 0.53), (0.27, 0.80, 0.53)),
    (0.14, (0.63, 0.70, 0.32), (0.17, 0.95, 0.26)),
    (0.30, (0.54, 0.69, 0.48), (0.22, 0.87, 0.44)),
)


@dataclass(frozen=True)
class Stain:
    """How one slide was stained and scanned.

    Attributes:
        haematoxylin: Optical density per channel as a unit vector, each ≥ 0.
        eosin: The same for eosin.
        haematoxylin_strength: Factor on the haematoxylin concentration, > 0.
        eosin_strength: Factor on the eosin concentration, > 0.
        background: RGB of the empty glass, each in (0, 255].
        blur: Standard deviation of the optical blur in pixels, ≥ 0.
        sharpen: Strength of the scanner's unsharp mask, ≥ 0.
        grain: Standard deviation of the sensor noise in grey levels, ≥ 0.
    """

    haematoxylin: Vector = RUIFROK_HAEMATOXYLIN
    eosin: Vector = RUIFROK_EOSIN
    haematoxylin_strength: float = 1.0
    eosin_strength: float = 1.0
    background: Vector = (255.0, 255.0, 255.0)
    blur: float = 0.0
    sharpen: float = 0.0
    grain: float = 0.0


def draw_stain(rng: np.random.Generator) -> Stain:
    """Draw one slide's stain: a family, its deviation from the family's centre, and the scanner's optics."""
    shares = [share for share, _, _ in _FAMILIES]
    _, haematoxylin, eosin = _FAMILIES[int(rng.choice(len(_FAMILIES), p=shares))]
    white = rng.uniform(240, 255)
    tint = rng.uniform((-3, -7, -3), (2, 0, 2))
    return Stain(
        haematoxylin=_deviate(rng, haematoxylin),
        eosin=_deviate(rng, eosin),
        haematoxylin_strength=float(np.exp(rng.normal(-0.08, 0.18))),
        eosin_strength=float(np.exp(rng.normal(-0.12, 0.28))),
        background=_vector(np.clip(white + tint, 1, 255)),
        blur=float(rng.uniform(0.2, 0.48)),
        sharpen=float(rng.uniform(0.4, 1.2)),
        grain=float(rng.uniform(0.8, 2.5)),
    )


def mix(haematoxylin: Field, eosin: Field, stain: Stain) -> NDArray[np.float32]:
    """Turn stain concentrations into transmitted light by Beer-Lambert's law.

    Args:
        haematoxylin: Concentration, H×W, ≥ 0, in optical density along the stain's unit vector.
        eosin: The same for eosin.
        stain: The slide's stain; only its vectors, strengths and background are used.

    Returns:
        RGB of shape H×W×3, float32 in (0, 255]; the background colour where both concentrations are 0.
    """
    h = haematoxylin * np.float32(stain.haematoxylin_strength)
    e = eosin * np.float32(stain.eosin_strength)
    light = np.empty((*h.shape, 3), np.float32)
    for channel in range(3):
        density = np.float32(stain.haematoxylin[channel]) * h + np.float32(stain.eosin[channel]) * e
        light[..., channel] = np.float32(stain.background[channel]) * np.exp(-density)
    return light


def scan(light: NDArray[np.float32], stain: Stain, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Scan transmitted light: blur, sharpening, grain, colour coarser than brightness as in JPEG, rounding.

    Args:
        light: RGB of shape H×W×3, float32 in [0, 255].
        stain: The slide's stain; its blur, sharpening and grain are used.
        rng: Source of the grain.

    Returns:
        RGB of shape H×W×3, uint8.
    """
    luma = light @ LUMINANCE
    seen_luma = ndimage.gaussian_filter(luma, stain.blur, truncate=3.0) if stain.blur else luma
    if stain.sharpen:
        smooth = ndimage.gaussian_filter(seen_luma, 1.2, truncate=2.5)
        seen_luma = seen_luma + np.float32(stain.sharpen) * (seen_luma - smooth)
    if stain.grain:
        grain = ndimage.uniform_filter(rng.standard_normal(luma.shape, dtype=np.float32), 2)
        seen_luma = seen_luma + np.float32(2 * stain.grain) * grain
    seen = np.empty_like(light)
    for channel in range(3):
        # Hue is kept as a ratio: a nucleus that sharpening darkens stays violet and does not turn grey.
        hue = light[..., channel] / luma
        hue = ndimage.uniform_filter(hue, 3) if stain.blur else hue
        seen[..., channel] = seen_luma * hue
    return np.clip(np.rint(seen), 0, 255).astype(np.uint8)


def _deviate(rng: np.random.Generator, centre: Vector) -> Vector:
    drawn = np.clip(np.asarray(centre) + rng.normal(0, (0.025, 0.02, 0.03)), 0.01, None)
    return _vector(drawn / np.linalg.norm(drawn))


def _vector(values: NDArray[np.float64]) -> Vector:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
