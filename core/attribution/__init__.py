"""Why a network predicts what it does: attribution, then saliency map, then overlay.

Three steps, each usable alone: :func:`attribute` gives a signed attribution shaped like the patch,
:func:`saliency_map` turns it into a 2-D map for the eye, :func:`overlay` draws that over the patch. Which
methods mean something on a network is answered by :func:`supports`; how far to trust a map by
:mod:`core.attribution.trust`.
"""

from core.attribution.compute import attribute
from core.attribution.methods import METHODS, Method, available, supports
from core.attribution.options import AttributionOptions
from core.attribution.overlay import DIVERGING, SEQUENTIAL, colour_table, overlay
from core.attribution.result import Attribution, centre_share
from core.attribution.saliency import saliency_map

__all__ = [
    "DIVERGING",
    "METHODS",
    "SEQUENTIAL",
    "Attribution",
    "AttributionOptions",
    "Method",
    "attribute",
    "available",
    "centre_share",
    "colour_table",
    "overlay",
    "saliency_map",
    "supports",
]
