"""A grid of patches for mouse, keyboard and touch."""

from pages._ui.gallery.component import Tile, gallery

__all__ = ["Tile", "gallery"]
