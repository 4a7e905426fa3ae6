"""A slide that can be moved, with its map and outlines over it; a click gives the place."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.attribution.overlay import colour_table
from core.slides.reader import Slide
from core.slides.slide_map import SlideMap
from core.slides.tiles import OVERLAP, TILE, cells_a_pixel, top_level
from pages._ui.component import component, sent

_draw = component("slide", Path(__file__).parent, "viewer")

CLOSE_MPP = 1.0
"""µm per pixel of the screen at which a focus is shown."""


@dataclass(frozen=True, kw_only=True)
class View:
    """What the viewer shows of a slide.

    Attributes:
        slide: the slide, open.
        token: what stands for it in addresses.
        mpp: µm per level-0 pixel, or None where it is not known.
        found: its map, or None before it is predicted.
        version: changes when map, areas or annotations do.
        threshold: probability from which on cells are coloured at first.
        foci: (x, y, probability) of each, in level-0 pixels, the most probable first.
        has_annotations: whether there are outlines that people made.
        at: where a link opens it: "x,y,zoom", middle in level-0 pixels and pixels of the screen a level-0 pixel.
        patch: (x, y, side) in level-0 pixels of the patch that is open.
        verdict: what the model says of it, where it was clicked in full screen, which hides what stands beside.
    """

    slide: Slide
    token: str
    mpp: float | None
    found: SlideMap | None = None
    version: str = ""
    threshold: float = 0.5
    foci: Sequence[tuple[float, float, float]] = ()
    has_annotations: bool = False
    at: str = ""
    patch: tuple[float, float, float] | None = None
    verdict: str = ""


def viewer(view: View, *, key: str, go: dict[str, Any] | None, on_click: Callable[[int, int], None]) -> None:
    """Draw a slide.

    Args:
        view: what is shown.
        key: of the viewer in the session.
        go: where it goes now: "id" (another for each time), and "x", "y" in level-0 pixels.
        on_click: gets the level-0 pixel that was clicked, before the page is drawn again.
    """

    def clicked() -> None:
        if at := sent(key, "clicked"):
            on_click(int(at["x"]), int(at["y"]))

    _draw(key=key, data={**_data(view), "go": go}, on_clicked_change=clicked)


def _data(view: View) -> dict[str, Any]:
    found, patch = view.found, view.patch
    return {
        "name": view.slide.name,
        "token": view.token,
        "size": view.slide.size,
        "mpp": view.mpp,
        "tile": TILE,
        "overlap": OVERLAP,
        "top": top_level(view.slide.size),
        "map": None if found is None else {"origin": found.origin, "step": found.step, "cells": cells_a_pixel(found)},
        "version": view.version,
        "colours": base64.b64encode(colour_table("inferno").tobytes()).decode(),
        "glass": "#{:02x}{:02x}{:02x}".format(*view.slide.background),
        "opacity": 0.5,
        "threshold": view.threshold,
        "areas": found is not None,
        "annotations": view.has_annotations,
        "foci": [{"x": x, "y": y, "p": p} for x, y, p in view.foci],
        "close": (view.mpp or CLOSE_MPP) / CLOSE_MPP,
        "at": view.at,
        "patch": None if patch is None else dict(zip(("x", "y", "side"), patch, strict=True)),
        "verdict": view.verdict,
    }
