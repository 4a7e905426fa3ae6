"""Patches enlarged before a network sees them, for weights that know things from larger pictures."""

from torch import Tensor
from torch.nn import functional as F

PATCH = 96  # pixels a side of the network's input
LARGEST_SIDE = 512  # to which patches may be enlarged


def check_side(side: int) -> None:
    """See that patches can be enlarged to `side` pixels a side.

    Raises:
        ValueError: it is smaller than a patch, or so large that a batch would not fit into memory.
    """
    if not isinstance(side, int) or not PATCH <= side <= LARGEST_SIDE:
        raise ValueError(f"side must be at least {PATCH}, the side of a patch, and at most {LARGEST_SIDE}, got {side}")


def enlarge(x: Tensor, side: int) -> Tensor:
    """Return patches N×3×96×96 as N×3×side×side, bilinearly."""
    return x if side == PATCH else F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
