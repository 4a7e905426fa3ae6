"""One patch on the Browse page, large: what it is made of, what is known of it, and what the model makes of it."""

import numpy as np
import numpy.typing as npt
import streamlit as st

from core.data import CENTRE
from core.data.measures import MEASURES
from core.data.quality import partners
from core.display import enlarge, to_png, with_centre_box, with_scale_bar
from core.formatting import percent
from pages._ui import layout, query_params, state
from pages._ui.browse import basket, curation, model
from pages._ui.browse.columns import PatchColumns

ZOOM = 5


def open_patch(known: PatchColumns, row: int) -> None:
    """Open a patch: for the click on it."""
    query_params.write(state.DETAIL, [str(known.fixed.ids[row])])


def opened(known: PatchColumns) -> int | None:
    """Return the row of the patch that the address says is open; what this data set does not hold is let go."""
    named = query_params.read(state.DETAIL)
    row = known.fixed.row(named[0]) if named else None
    if named and row is None:
        query_params.write(state.DETAIL, [])
        st.toast(f"{known.dataset.name} holds no patch with the id {named[0]}.")
    return row


def box_button(*, key: str, with_shortcut: bool) -> bool:
    """Draw the button that marks the labelled centre in the grid; return whether it is marked."""
    boxes = bool(query_params.read(state.BOXES))
    st.button(
        "Centre box", icon=":material/check_box:" if boxes else ":material/check_box_outline_blank:", key=key,
        on_click=query_params.write, args=(state.BOXES, [] if boxes else ["true"]),
        shortcut="B" if with_shortcut else None,
        help="The label says whether there is tumour in the centre 32×32 pixels; the rim is context only.",
    )  # fmt: skip
    return boxes


def summary(known: PatchColumns, row: int) -> str:
    """Return what the pointer tells of a patch, in lines of HTML."""
    fixed, predicted = known.fixed, known.predicted
    lines = [str(fixed.ids[row]), known.label_words(row)]
    if fixed.slide[row] >= 0:
        lines.append(f"slide {fixed.slide_names[fixed.slide[row]]}")
    if predicted is not None and predicted.label[row] >= 0:
        said = model.verdict(predicted, row)
        lines.append(f"probability of tumour {percent(predicted.probability[row])}: {said}")
    return "<br>".join([*lines, *(name for name, marked in known.flags.items() if marked[row])])


def draw(known: PatchColumns, order: npt.NDArray[np.int64], *, per_page: int, page_key: str = state.PAGE) -> None:
    """Draw the dialog with the open patch.

    Args:
        known: what is known of the data set.
        order: the rows that it stands among, for the way to the previous and the next.
        per_page: how many of them are on a page, so that the grid follows when the dialog is closed.
        page_key: what holds the page of that grid.
    """
    dialog = st.dialog("Patch", width="large", on_dismiss=lambda: _close(known, order, per_page, page_key))
    dialog(_content)(known, order)


def _close(known: PatchColumns, order: npt.NDArray[np.int64], per_page: int, page_key: str) -> None:
    row = opened(known)
    at = np.flatnonzero(order == row)
    if len(at) and len(order) > 1:
        st.session_state[page_key] = int(at[0]) // per_page + 1
    query_params.write(state.DETAIL, [])


def _content(known: PatchColumns, order: npt.NDArray[np.int64]) -> None:
    row = opened(known)
    if row is None:
        return
    box = _steps(known, order, row)
    loaded = known.dataset.store.load([row])
    patch = loaded.pixels[0]
    readable = not loaded.unreadable
    predictor = model.predictor() if readable else None
    picture, words = st.columns([2, 3])
    with picture:
        enlarged = with_scale_bar(enlarge(patch, ZOOM), zoom=ZOOM)
        shown = with_centre_box(enlarged, zoom=ZOOM) if box else enlarged
        st.image(to_png(shown), width="stretch", alt="The patch, enlarged five times")
        st.caption("96×96 pixels, enlarged." + (" The box is the labelled centre 32×32." if box else ""))
        curation.buttons(known.dataset, str(known.fixed.ids[row]), shortcuts=True)
    with words:
        _metadata(known, row)
        if not readable:
            st.warning(loaded.unreadable[0])
        if predictor is not None:
            model.draw_prediction(predictor, known, row, patch)
        _take(known, row, patch)
        if readable:
            model.draw_channels(predictor, patch, box=box)
    if predictor is not None:
        model.draw_neighbours(predictor, known, row, patch)


def _steps(known: PatchColumns, order: npt.NDArray[np.int64], row: int) -> bool:
    """Draw the way to the next patch; return whether the centre is marked."""
    found = np.flatnonzero(order == row)
    at = int(found[0]) if len(found) else None
    box = bool(st.session_state.get(state.DETAIL_BOX, True))
    with st.container(horizontal=True, vertical_alignment="center"):
        for words, icon, by, keys in (
            ("Previous", ":material/chevron_left:", -1, "Left"), ("Next", ":material/chevron_right:", 1, "Right"),
        ):  # fmt: skip
            there = None if at is None or not 0 <= at + by < len(order) else int(order[at + by])
            st.button(
                words, icon=icon, key=f"detail-{words}", disabled=there is None, shortcut=keys,
                on_click=open_patch, args=(known, row if there is None else there),
            )  # fmt: skip
        st.button(
            "Centre box", icon=":material/check_box:" if box else ":material/check_box_outline_blank:",
            key="detail-box", shortcut="B", on_click=_set_box, args=(not box,),
        )  # fmt: skip
        where = "not among those that the filters leave" if at is None else f"{at + 1:,} of {len(order):,} in the grid"
        st.caption(where, width="content")
    return box


def _set_box(on: bool) -> None:
    st.session_state[state.DETAIL_BOX] = on


def _metadata(known: PatchColumns, row: int) -> None:
    fixed, dataset = known.fixed, known.dataset
    patch_id = str(fixed.ids[row])
    told, *why = known.label_words(row).split(" by ")
    colour = {1: "red", 0: "green"}.get(known.label(row), "gray")
    st.code(patch_id, language=None, wrap_lines=True)
    patch_columns = [f"Label :{colour}[**{told}**]" + "".join(f" by {each}" for each in why)]
    if fixed.slide[row] >= 0:
        patch_columns.append(f"slide {fixed.slide_names[fixed.slide[row]]}")
    patch_columns.append(f"part {fixed.part_names[fixed.part[row]]}")
    if dataset.masks is not None:
        share = float(np.asarray(dataset.masks[row])[CENTRE, CENTRE].mean())
        patch_columns.append(f"tumour in {share:.0%} of the centre (known for the demo)")
    st.markdown(" · ".join(patch_columns))
    if known.check is not None:
        _measured(known, row, patch_id)


def _measured(known: PatchColumns, row: int, patch_id: str) -> None:
    for name, marked in known.flags.items():
        if marked[row]:
            st.markdown(f":material/flag: **{name}**")
    others = partners(known.check, patch_id) if known.check is not None else []
    if others:
        st.caption("The others: " + ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else ""))
    st.caption(" · ".join(f"{name} {known.columns[name][row]:.3g}" for name in MEASURES))


def _take(known: PatchColumns, row: int, patch: npt.NDArray[np.uint8]) -> None:
    patch_id, source = str(known.fixed.ids[row]), known.dataset.source
    with st.container(horizontal=True, vertical_alignment="center"):
        if patch_id in basket.ids(source):
            st.button("Take out of the basket", icon=":material/remove_shopping_cart:", key="detail-take",
                      on_click=basket.take, args=(source, patch_id))  # fmt: skip
        else:
            st.button("Put into the basket", icon=":material/add_shopping_cart:", key="detail-put",
                      on_click=basket.put, args=(source, [patch_id]))  # fmt: skip
        st.download_button(
            "PNG", to_png(patch), file_name=f"{patch_id}.png", mime="image/png", icon=":material/download:",
            on_click="ignore",
        )  # fmt: skip
        st.page_link(
            "pages/predict.py", label="Open in Predict", icon=":material/biotech:",
            query_params={**layout.shared(), state.PATCH: patch_id}, help=layout.RESEARCH_ONLY,
        )  # fmt: skip
