"""A probability as people read it: in percent, and never as if a model were certain."""


def percent(probability: float, *, digits: int = 1) -> str:
    """Return a model's probability in percent, such as "99.6%", or ">99.9%" where rounding would make it certain.

    For what was counted, such as a share of patches, "100%" may well be true; that is no matter of this function.

    Args:
        probability: in [0, 1].
        digits: decimals; 0 where there is little room.
    """
    least = 10.0**-digits
    shown = round(100 * probability, digits)
    if shown <= 0:
        return f"<{least:.{digits}f}%"
    return f">{100 - least:.{digits}f}%" if shown >= 100 else f"{shown:.{digits}f}%"
