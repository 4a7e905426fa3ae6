"""Predict: the one menu of everything that can be exported."""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.formatting import RESEARCH_ONLY
from pages._ui import widgets


class Exports:
    """What the menu offers: collected while the page is drawn, because its place is above all that is exported.

    Args:
        place: where the menu is drawn.
    """

    def __init__(self, place: DeltaGenerator):
        self._place = place
        self._entries: list[tuple[str, Any, str, dict[str, Any]]] = []

    def add(self, label: str, content: Any, name: str, mime: str = "text/csv", **more: Any) -> None:
        """Offer a file; arguments as of :func:`pages._ui.widgets.export`."""
        self._entries.append((label, content, name, {"mime": mime, **more}))

    def draw(self) -> None:
        """Draw the menu, if it offers anything."""
        if not self._entries:
            return
        with self._place.popover("Export", icon=":material/download:"):
            for label, content, name, more in self._entries:
                widgets.export(label, content, name, key=f"export-{name}", width="stretch", **more)
            st.caption(RESEARCH_ONLY)
