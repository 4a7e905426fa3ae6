"""Browse: look at labelled patches, find and clean them, see how the classes are balanced and what was left out."""

from collections.abc import Callable

import streamlit as st

from core.data import Dataset
from pages._ui import layout, state, widgets
from pages._ui.browse import charts, download, embedding_map, grid, label_errors, quality_tab, splits

# What the page can show of a data set, each drawn by a function that is given it; in this order: Patches, Balance,
# Quality, Map, Label errors, Splits, Get data.
VIEWS: dict[str, Callable[[Dataset], None]] = {
    "Patches": grid.draw,
    "Balance": charts.draw,
    "Quality": quality_tab.draw,
    "Map": embedding_map.draw,
    "Label errors": label_errors.draw,
    "Splits": splits.draw,
    "Get data": download.draw,
}


def main() -> None:
    dataset = layout.dataset()
    widgets.title("Browse", dataset=dataset)
    if not len(dataset):
        st.info("This data set holds no patches. Choose another one in the sidebar, or go back to the synthetic demo.")
        return
    view = st.segmented_control(
        "View", list(VIEWS), default="Patches", key=state.BROWSE_VIEW, bind="query-params", required=True,
        label_visibility="collapsed",
    )  # fmt: skip
    VIEWS[str(view or "Patches")](dataset)


layout.show(main)
