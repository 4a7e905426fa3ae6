"""Slides: whole slides of a folder, what was found on each, and a viewer with the map over the tissue."""

import streamlit as st

from pages._ui import layout, state
from pages._ui.slides import look, table


def main() -> None:
    row = layout.title_row()
    row.caption("Whole slides: where is tumour, how much, how sure. Choose one to look at it.", width="stretch")
    predictor = layout.predictor()
    where, how = st.columns([3, 2], vertical_alignment="bottom")
    folder = table.choose_folder(where)
    if folder is None:
        return
    listing = table.Listing.of(folder, predictor, table.step(predictor, how))
    chosen = table.draw(listing)
    if chosen is not None:
        st.divider()
        look.draw(listing, chosen)
    elif st.query_params.get(state.AT):
        del st.query_params[state.AT]  # a place on a slide that is no longer shown


layout.show(main)
