"""The colours of Nodescope, in one place.

Tumour is red and normal is green everywhere; the green leans to blue and the red is the darker one, so that most
colour-blind people can tell them apart. A word, a pattern or a line style always says the same.
"""

TUMOUR = "#D7263D"
NORMAL = "#1B9E77"
CLASS_COLOURS = (NORMAL, TUMOUR)
"""Colours of label 0 and label 1."""

SERIES = ("#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#F0E442", "#8C8C8C")
"""For curves and bars without a class, in this order; Okabe & Ito, "Color Universal Design", 2008."""

MUTED = "#8C8C8C"


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue (0 to 255) of a colour such as "#D7263D"."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
