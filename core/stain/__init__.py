"""Stains: how much of each there is in a patch, and patches brought to the stains of another."""

from core.stain.density import (
    RUIFROK_EOSIN,
    RUIFROK_HAEMATOXYLIN,
    RUIFROK_RESIDUAL,
    STAINS,
    colourfulness,
    optical_density,
    stain_amounts,
    stain_picture,
    unmix,
)
from core.stain.normalisation import (
    METHODS,
    Macenko,
    Method,
    Reinhard,
    StainReference,
    normalise,
    normalise_all,
    reference_from_json,
    reference_of,
    reference_to_json,
    typical,
)

__all__ = [
    "METHODS",
    "RUIFROK_EOSIN",
    "RUIFROK_HAEMATOXYLIN",
    "RUIFROK_RESIDUAL",
    "STAINS",
    "Macenko",
    "Method",
    "Reinhard",
    "StainReference",
    "colourfulness",
    "normalise",
    "normalise_all",
    "optical_density",
    "reference_from_json",
    "reference_of",
    "reference_to_json",
    "stain_amounts",
    "stain_picture",
    "typical",
    "unmix",
]
