"""Browse: look at labelled patches, find and clean them, see how the classes are balanced and what was left out."""

from collections.abc import Callable

import streamlit as st

from core.data import Dataset
from pages._ui import (
    browse_charts,
    browse_errors,
    browse_get,
    browse_grid,
    browse_map,
    browse_quality,
    browse_splits,
    frame,
    state,
    widgets,
)

# What the page can show of a data set, each drawn by a function that is given it; in this order: Patches, Balance,
# Quality, Map, Label errors, Splits, Get data.
VIEWS: dict[str, Callable[[Dataset], None]] = {
    "Patches": browse_grid.draw,
    "Balance": browse_charts.draw,
    "Quality": browse_quality.draw,
    "Map": browse_map.draw,
    "Label errors": browse_errors.draw,
    "Splits": browse_splits.draw,
    "Get data": browse_get.draw,
}


def main() -> None:
    dataset = frame.dataset()
    widgets.title("Browse", dataset=dataset)
    if not len(dataset):
        st.info("This data set holds no patches. Choose another one in the sidebar, or go back to the synthetic demo.")
        return
    view = st.segmented_control(
        "View", list(VIEWS), default="Patches", key=state.BROWSE_VIEW, bind="query-params", required=True,
        label_visibility="collapsed",
    )  # fmt: skip
    VIEWS[str(view or "Patches")](dataset)


frame.show(main)
