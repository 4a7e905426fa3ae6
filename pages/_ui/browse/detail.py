"""One patch on the Browse page, enlarged: its stains, what is known of it, and what the model predicts."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import streamlit as st

from core.data import CENTRE
from core.data.measures import MEASURES
from core.data.quality import partners
from core.display import enlarge, to_png, with_centre_box
from core.formatting import RESEARCH_ONLY, percent
from pages._ui import layout, neighbours, query_params, state, widgets
from pages._ui.browse import basket, curation, model
from pages._ui.browse.columns import PatchColumns
from pages._ui.steps import steps

ZOOM = 5


def open_id(patch_id: str) -> None:
    """Open a patch: for the click on it."""
    query_params.write(state.DETAIL, [patch_id])


def opened(patches: PatchColumns) -> int | None:
    """Return the row of the patch that the address says is open; an id that is not in this data set is removed."""
    named = query_params.read(state.DETAIL)
    row = patches.fixed.row(named[0]) if named else None
    if named and row is None:
        query_params.write(state.DETAIL, [])
        st.toast(f"{patches.dataset.name} has no patch with the id {named[0]}.")
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


def summary(patches: PatchColumns, row: int) -> list[str]:
    """Return what is shown of a patch under the pointer or the focus, in lines."""
    fixed, predicted = patches.fixed, patches.predicted
    lines = [str(fixed.ids[row]), patches.label_words(row)]
    lines += fixed.origin(row)
    if predicted is not None and predicted.label[row] >= 0:
        verdict = predicted.verdicts[row]
        lines.append(f"probability of tumour {percent(predicted.probability[row])}: {verdict}")
    lines += [name for name, marked in patches.flags.items() if marked[row]]
    return [*lines, *(f"tag {name}" for name, marked in patches.tags.items() if marked[row])]


def draw(
    patches: PatchColumns,
    grids: list[npt.NDArray[np.int64]],
    *,
    per_page: int = 0,
    page_key: str = "",
    threshold: float | None = None,
    note_of: Callable[[int], str] = lambda _row: "",
) -> None:
    """Draw the dialog with the patch that the address names; nothing where it names none.

    Args:
        patches: what is known of the data set.
        grids: the rows of each grid; the buttons to the previous and the next patch stay in the grid that has it.
        per_page: how many of them are on a page, so that the grid follows when the dialog is closed.
        page_key: what holds the page of these grids; "" where there is one only.
        threshold: at or above this probability a patch is called tumour; the model's own by default.
        note_of: gives the sentence that says why a row is listed.
    """
    row = opened(patches)
    if row is None:
        return
    order = next((rows for rows in grids if row in rows), np.empty(0, np.int64))
    dialog = st.dialog("Patch", width="large", on_dismiss=lambda: _close(patches, order, per_page, page_key))
    dialog(_content)(patches, order, threshold, note_of)


def _close(patches: PatchColumns, order: npt.NDArray[np.int64], per_page: int, page_key: str) -> None:
    row = opened(patches)
    # `row` is read again, because the arrow keys may have gone to another patch since the dialog was opened.
    at = np.flatnonzero(order == row)
    if page_key and len(at):
        st.session_state[page_key] = int(at[0]) // per_page + 1
    query_params.write(state.DETAIL, [])


def _content(
    patches: PatchColumns, order: npt.NDArray[np.int64], threshold: float | None, note_of: Callable[[int], str]
) -> None:
    row = opened(patches)
    if row is None:
        return
    # A dialog is a fragment: its buttons rerun this function alone, with the arguments of the run that opened it. What
    # they change, the patch and the box, is therefore read from the address and the session.
    patches = patches.as_decided_now()
    box = _steps(patches, order, row)
    loaded = patches.dataset.store.load([row])
    patch = loaded.pixels[0]
    readable = not loaded.unreadable
    predictor = model.predictor() if readable else None
    picture, details = st.columns([2, 3])
    with picture:
        enlarged = enlarge(patch, ZOOM)
        shown = with_centre_box(enlarged, zoom=ZOOM) if box else enlarged
        widgets.scaled_patch(shown, key="detail", width="stretch", alt="The patch, enlarged five times")
        st.caption("96×96 pixels, enlarged." + (" The box is the labelled centre 32×32." if box else ""))
        curation.buttons(patches.dataset, str(patches.fixed.ids[row]))
    with details:
        _metadata(patches, row)
        if note := note_of(row):
            st.caption(note)
        if not readable:
            st.warning(loaded.unreadable[0])
        for note in loaded.notes.get(0, ()):
            st.caption(note)
        if predictor is not None:
            model.draw_prediction(predictor, patches, row, patch, threshold=threshold)
        _export(patches, row, patch)
        if readable:
            model.draw_channels(predictor, patch, box=box)
    if predictor is not None and (patches.fixed.label >= 0).any():
        st.markdown("**Similar labelled patches**", help="Those that look most alike to the model.")
        neighbours.draw(
            predictor, patches.dataset, patch, row, label_of=patches.label,
            open_row=lambda other: open_id(str(patches.fixed.ids[other])),
        )  # fmt: skip
    model.draw_confused(patches, row)


def _steps(patches: PatchColumns, order: npt.NDArray[np.int64], row: int) -> bool:
    """Draw the buttons to the other patches; return whether the centre is marked."""
    found = np.flatnonzero(order == row)
    at = int(found[0]) if len(found) else None
    box = bool(st.session_state.get(state.DETAIL_BOX, True))
    with st.container(horizontal=True, vertical_alignment="center"):
        steps(key="detail-steps", at=at or 0, count=0 if at is None else len(order),
              on_step=lambda to: _step(patches, order, to))  # fmt: skip
        st.button(
            "Centre box", icon=":material/check_box:" if box else ":material/check_box_outline_blank:",
            key="detail-box", shortcut="B", on_click=st.session_state.update, args=({state.DETAIL_BOX: not box},),
        )  # fmt: skip
        place = "not in the grid" if at is None else f"{at + 1:,} of {len(order):,} in the grid"
        st.caption(place, width="content")
    return box


def _step(patches: PatchColumns, order: npt.NDArray[np.int64], to: int) -> None:
    if query_params.read(state.DETAIL):  # else it was closed just after the press
        open_id(str(patches.fixed.ids[order[to]]))


def _metadata(patches: PatchColumns, row: int) -> None:
    fixed, dataset = patches.fixed, patches.dataset
    patch_id = str(fixed.ids[row])
    label, *why = patches.label_words(row).split(" by ")
    colour = {1: "red", 0: "green"}.get(patches.label(row), "gray")
    st.code(patch_id, language=None, wrap_lines=True)
    known = [f"Label :{colour}[**{label}**]" + "".join(f" by {each}" for each in why)]
    known += fixed.origin(row)
    if patches.fixed.label[row] >= 0:
        known.append(f"{fixed.split_names[fixed.split[row]]} split")
    if dataset.masks is not None:
        share = float(np.asarray(dataset.masks[row])[CENTRE, CENTRE].mean())
        known.append(f"tumour in {share:.0%} of the centre (patches for the demo)")
    st.markdown(" · ".join(known))
    tags = [name for name, marked in patches.tags.items() if marked[row]]
    if tags:
        with st.container(horizontal=True, gap="small"):
            for name in tags:
                st.badge(name, icon=":material/label:", color="gray")
    if patches.check is not None:
        _measured(patches, row, patch_id)


def _measured(patches: PatchColumns, row: int, patch_id: str) -> None:
    for name, marked in patches.flags.items():
        if marked[row]:
            st.markdown(f":material/flag: **{name}**")
    others = partners(patches.check, patch_id) if patches.check is not None else []
    if others:
        st.caption(
            "Its (near) duplicates: "
            + ", ".join(others[:5])
            + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        )
    st.caption(" · ".join(f"{name} {patches.columns[name][row]:.3g}" for name in MEASURES))


def _export(patches: PatchColumns, row: int, patch: npt.NDArray[np.uint8]) -> None:
    patch_id, source = str(patches.fixed.ids[row]), patches.dataset.source
    with st.container(horizontal=True, vertical_alignment="center"):
        if patch_id in basket.ids(source):
            st.button("Remove from selection", icon=":material/playlist_remove:", key="detail-take",
                      on_click=basket.remove, args=(source, patch_id))  # fmt: skip
        else:
            st.button("Add to selection", icon=":material/playlist_add:", key="detail-put",
                      on_click=basket.add, args=(source, [patch_id]))  # fmt: skip
        widgets.export("Export PNG", to_png(patch), f"{patch_id}.png", "image/png")
        st.page_link(
            "pages/predict.py", label="Open in Predict", icon=":material/biotech:",
            query_params={**layout.shared(), state.PATCH: patch_id}, help=RESEARCH_ONLY,
        )  # fmt: skip
