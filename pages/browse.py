"""Browse: look at labelled patches, find and clean them, see how the classes are balanced and what is excluded."""

from collections.abc import Callable

import streamlit as st

from core.data import Dataset
from pages._ui import layout, state, widgets
from pages._ui.browse import charts, download, embedding_map, grid, label_errors, labelling, quality, splits, undo

# In the order of work: look, count, clean, then divide for training.
VIEWS: dict[str, Callable[[Dataset], None]] = {
    "Patches": grid.draw,
    "Balance": charts.draw,
    "Quality": quality.draw,
    "Map": embedding_map.draw,
    "Label": labelling.draw,
    "Label errors": label_errors.draw,
    "Splits": splits.draw,
    "Get data": download.draw,
}


def main() -> None:
    title = layout.title_row(of_data=True)
    dataset = layout.dataset()
    if not len(dataset):
        st.info("This data set has no patches. Choose another one in the sidebar, or return to the synthetic demo.")
        return
    view = widgets.choice("View", {name: name for name in VIEWS}, key=state.BROWSE_VIEW, show_label=False,
                          place=title)  # fmt: skip
    undo.draw(dataset.source, key="last", place=title)
    with widgets.place_for(view, "view"):
        VIEWS[view](dataset)


layout.show(main)
