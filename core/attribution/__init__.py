"""Why a network predicts what it does: attribution, then saliency map, then overlay.

Three steps, each of use by itself: :func:`attribute` gives a signed attribution shaped like the patch,
:func:`saliency_map` makes a 2-D map of it, :func:`overlay` draws that over the patch. :func:`supports` says which
methods suit a network, and :mod:`core.attribution.trust` measures how far to trust a map.
"""

from core.attribution.compute import attribute
from core.attribution.methods import METHODS, Method, available, supports
from core.attribution.options import AttributionOptions
from core.attribution.overlay import overlay
from core.attribution.result import Attribution, centre_share
from core.attribution.saliency import saliency_map

__all__ = [
    "METHODS",
    "Attribution",
    "AttributionOptions",
    "Method",
    "attribute",
    "available",
    "centre_share",
    "overlay",
    "saliency_map",
    "supports",
]
