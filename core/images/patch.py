"""What a patch is: its size, its scale, and the part of it that is labelled."""

PATCH_SIZE = 96
"""Width and height of a patch in pixels."""

PATCH_BYTES = PATCH_SIZE * PATCH_SIZE * 3

CENTRE = slice(32, 64)
"""Rows and columns of the 32×32 centre that carries the label."""

MICROMETRES_PER_PIXEL = 0.97
"""µm per pixel of PatchCamelyon, which takes Camelyon16's slides at a magnification of 10."""
