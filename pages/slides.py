"""Slides: whole slides of a folder, what was found on each, and a viewer with the map over the tissue."""

import streamlit as st

from pages._ui import layout, state, widgets
from pages._ui.slides import cohort, evaluation, folder, look, table

VIEWS = {"table": "Slides", "cohort": "Cohort", "evaluation": "Evaluation"}
DRAW = {"cohort": cohort.draw, "evaluation": evaluation.draw}


def main() -> None:
    row = layout.title_row()
    predictor = layout.predictor()
    opened = st.container()  # a slide stands above what chooses it, so that all of it is in sight
    bar = st.container(horizontal=True, vertical_alignment="bottom")  # which wraps where the window is narrow
    where, how, which = bar.container(width=520), bar.container(width="content"), bar.container(width="content")
    place = folder.choose(where)
    if place is None:
        row.caption("Whole slides: where is tumour, how much, how sure.", width="stretch")
        return
    listing = table.Listing.of(place, predictor, folder.step(predictor, how))
    view = widgets.choice("View", VIEWS, key=state.SLIDE_VIEW, place=which, on_change=table.close_slide)
    chosen = table.chosen(listing)
    if chosen is not None:
        with opened:
            look.draw(listing, chosen, back_to=VIEWS[view])
            table.draw_queue(listing, listing.results.states([chosen]), chosen)
        return
    table.close_slide()  # a place on a slide that is no longer shown leaves the address
    row.caption("Whole slides: where is tumour, how much, how sure. Click one to look at it.", width="stretch")
    DRAW.get(view, table.draw)(listing)


layout.show(main)
