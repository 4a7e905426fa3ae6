"""A grid of patches for mouse, keyboard and touch."""

from pages._ui.gallery.component import Tile, encoded, gallery

__all__ = ["Tile", "encoded", "gallery"]
