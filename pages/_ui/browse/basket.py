"""The selection: patches that the visitor picked, to export or to exclude them."""

from collections.abc import Iterable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
import streamlit as st

from core.data import CLASS_NAMES, Dataset, Decision, decisions_of
from core.display.data_set import LAYOUTS, Layout, zipped
from core.display.export import patches_csv, patches_zip
from pages._ui import state, widgets
from pages._ui.browse import curation, undo
from pages._ui.browse.columns import PatchColumns

MOST = 10_000
"""Most patches that can be added at once: their ids are kept in the session."""


DATA_SETS: dict[Layout, str] = {"folders": "Class folders", "kaggle": "Kaggle's layout", "parquet": "Parquet"}


def ids(source: str) -> list[str]:
    """Return the ids that are selected of a data set."""
    baskets: dict[str, list[str]] = st.session_state.setdefault(state.BASKET, {})
    return baskets.setdefault(source, [])


def add(source: str, more: Iterable[str]) -> None:
    """Add patches to the selection."""
    held = ids(source)
    # In place, because the session holds this list; a dict drops repeats and keeps the order.
    held[:] = dict.fromkeys([*held, *more])


def remove(source: str, patch_id: str) -> None:
    """Remove a patch from the selection."""
    if patch_id in ids(source):
        ids(source).remove(patch_id)


def change(source: str, changes: Mapping[str, bool]) -> None:
    """Select and deselect patches: ids, and whether each is selected from now on."""
    add(source, [patch_id for patch_id, on in changes.items() if on])
    held = ids(source)
    held[:] = [patch_id for patch_id in held if changes.get(patch_id, True)]


def draw_add(dataset: Dataset, page: npt.NDArray[np.int64], everything: npt.NDArray[np.int64]) -> None:
    """Draw the menu that adds many patches to the selection.

    Args:
        dataset: the patches.
        page: rows of those on this page.
        everything: rows of those on all pages.
    """
    names = dataset.table["id"]
    with st.popover("Select", icon=":material/playlist_add:", disabled=not len(page)):
        st.button(f"Add the {len(page):,} of this page", key="put_page", width="stretch", on_click=add,
                  args=(dataset.source, names.iloc[page]))  # fmt: skip
        if len(page) < len(everything) <= MOST:
            st.button(f"Add all {len(everything):,}", key="put_all", width="stretch", on_click=add,
                      args=(dataset.source, names.iloc[everything]))  # fmt: skip
        st.caption("One patch: its check mark, the Space bar, or Ctrl and a click. A range: Shift and a click.")


def draw(patches: PatchColumns) -> None:
    """Draw what can be done with the selected patches; nothing where there are none."""
    dataset = patches.dataset
    held = ids(dataset.source)
    if not held:
        return
    rows = patches.fixed.index.get_indexer(held)
    # Selected patches may have been excluded since, and then have no row.
    rows = rows[rows >= 0].astype(np.int64)
    if not len(rows):
        return
    # It stays at the lower edge of the window, so that the patches do not move when the first one is selected.
    with st.container(border=True, key="selection", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":material/checklist: **{len(rows):,} selected**", width="content")
        with st.popover("Export", icon=":material/download:"):
            widgets.export("CSV", lambda: patches_csv(dataset, rows), "patches.csv")
            make_zip = partial(patches_zip, dataset, rows)
            widgets.export("PNGs", make_zip, "patches.zip", "application/zip", icon="folder_zip")
            st.caption("As a data set, with labels and a card:")
            for layout, name in DATA_SETS.items():
                widgets.export(name, partial(zipped, dataset, rows, layout=layout), f"patches-{layout}.zip",
                               "application/zip", icon="folder_zip", help=LAYOUTS[layout])  # fmt: skip
        with st.popover("Relabel", icon=":material/swap_horiz:"), st.container(horizontal=True):
            for label in (1, 0):
                st.button(f"As {CLASS_NAMES[label]}", on_click=_decide,
                          args=(dataset.source, Decision("relabel", label)))  # fmt: skip
        # Tracked, so that it can be closed once the tag is given.
        with st.popover("Tag", icon=":material/label:", key=state.TAG_MENU, on_change="rerun"):
            _draw_tags(patches)
        with st.popover("Exclude", icon=":material/block:"):
            reason = st.text_input("Reason", key="exclude_reason", placeholder="Why exclude them?")
            decision = Decision("exclude", reason=reason.strip() or "chosen on the Browse page")
            st.button(
                f"Exclude {len(rows):,}", on_click=_decide, args=(dataset.source, decision), type="primary",
                help="Exclude them from every page and from training. They can be restored under Quality.",
            )  # fmt: skip
        st.button("Clear selection", icon=":material/clear_all:", on_click=ids(dataset.source).clear)


def _draw_tags(patches: PatchColumns) -> None:
    source = patches.dataset.source
    tag = st.selectbox(
        "Tag", list(patches.tags), index=None, key="tag_name", accept_new_options=True,
        placeholder="Choose one, or type a new one",
    )  # fmt: skip
    with st.container(horizontal=True):
        for label, on in (("Add tag", True), ("Remove tag", False)):
            st.button(label, disabled=not tag, on_click=curation.tag, args=(source, list(ids(source)), tag or ""),
                      kwargs={"on": on})  # fmt: skip
    st.caption("Tags are for finding and exporting; training and evaluation do not use them.")


def draw_excluded(dataset: Dataset) -> None:
    """Draw how to restore excluded patches; nothing where there are none."""
    excluded = [name for name, each in decisions_of(dataset.source).items() if each.kind == "exclude"]
    if excluded:
        chosen = st.multiselect("Excluded patches to restore", excluded, key="put_back")
        with st.container(horizontal=True):
            for label, names in (("Restore", chosen), (f"Restore all {len(excluded):,}", excluded)):
                st.button(label, disabled=not names, on_click=curation.change,
                          args=(dataset.source, dict.fromkeys(names)))  # fmt: skip


def _decide(source: str, decision: Decision) -> None:
    """Decide the same about all selected patches, which are then no longer selected."""
    held = ids(source)
    if curation.changed(source, dict.fromkeys(held, decision)):
        count = widgets.counted(len(held), "patch", "patches")
        st.session_state[state.NOTICE] = f"{count} {undo.describe(decision)}. Undo takes it back."
        held.clear()
