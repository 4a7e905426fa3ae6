"""A grid of patches: a click or Enter opens one, the check mark, Space, Shift or Ctrl select, the arrow keys move."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from core.data import CLASS_NAMES
from core.display import NORMAL, TUMOUR, contact_sheet, jpeg_address, to_jpeg
from pages._ui.component import component, sent

_draw = component("patches", Path(__file__).parent, "gallery")

ACROSS = 16
"""Patches in a row of the picture that is sent; the browser lays them out by the width it has."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """What a grid shows of a patch.

    Attributes:
        id: of the patch.
        label: 1, 0, or -1 for none.
        lines: what is known of it, shown beside it under the pointer or the focus and read by screen readers.
        badge: a few characters over its lower left corner.
        selected: whether it is in the selection.
        marked: whether it is the one that was looked for.
    """

    id: str
    label: int
    lines: Sequence[str]
    badge: str = ""
    selected: bool = False
    marked: bool = False


def encoded(pixels: np.ndarray) -> str:
    """Return patches, uint8 N×96×96×3, as the one picture that :func:`gallery` sends."""
    return jpeg_address(to_jpeg(contact_sheet(pixels, columns=ACROSS)))


def gallery(
    sheet: str,
    tiles: Sequence[Tile],
    *,
    name: str,
    key: str,
    size: int,
    boxes: bool = False,
    on_open: Callable[[str], None],
    on_select: Callable[[Mapping[str, bool]], None] | None = None,
) -> None:
    """Draw patches; what the callbacks do happens before the page is drawn again.

    Args:
        sheet: their pixels, see :func:`encoded`.
        tiles: what is shown of each.
        name: of the grid, for screen readers.
        key: of the grid in the session; the same for all its pages, so that the keyboard stays where it is.
        size: width and height of a patch on screen, in CSS pixels.
        boxes: whether the labelled centre is marked.
        on_open: gets the id of the patch that was opened.
        on_select: gets the ids whose selection changed and whether each is selected now; nothing can be selected
            without it.
    """
    data = {
        "name": name,
        "sheet": sheet,
        "across": ACROSS,
        "patches": [{**asdict(tile), "label": "" if tile.label < 0 else CLASS_NAMES[tile.label]} for tile in tiles],
        "size": size,
        "boxes": boxes,
        "colours": {"tumour": TUMOUR, "normal": NORMAL},
        "selectable": on_select is not None,
        "seen": int(sent(key, "selected", "number") or 0),
    }

    def opened() -> None:
        if patch_id := sent(key, "opened"):
            on_open(str(patch_id))

    def selected() -> None:
        if on_select is not None:
            on_select(sent(key, "selected", "changes") or {})

    _draw(key=key, data=data, on_opened_change=opened, on_selected_change=selected)
