"""The basket: patches that the visitor put aside, to export them or to exclude them."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import streamlit as st

from core.data import Dataset, add_exclusions, read_exclusions, remove_exclusions
from core.data.exclusions import exclusions_path
from core.display.export import patches_csv, patches_zip
from core.errors import NodescopeError
from pages._ui import cache, frame, state


def ids(source: str) -> list[str]:
    """Return the ids in the basket of a data set."""
    baskets: dict[str, list[str]] = st.session_state.setdefault(state.BASKET, {})
    return baskets.setdefault(source, [])


def put(source: str, more: Iterable[str]) -> None:
    """Put patches into the basket."""
    held = ids(source)
    held.extend(each for each in dict.fromkeys(more) if each not in set(held))


def take(source: str, patch_id: str) -> None:
    """Take a patch out of the basket."""
    if patch_id in ids(source):
        ids(source).remove(patch_id)


def draw(dataset: Dataset) -> None:
    """Draw what can be done with the patches in the basket; nothing where it is empty."""
    rows = pd.Index(dataset.table["id"]).get_indexer(ids(dataset.source))
    rows = rows[rows >= 0].astype(np.int64)
    if not len(rows):
        return
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="bottom"):
        st.markdown(f":material/shopping_basket: **{len(rows):,} in the basket**", width="content")
        st.download_button("CSV", patches_csv(dataset, rows), "patches.csv", "text/csv", icon=":material/download:")
        st.download_button(
            "PNGs", lambda: patches_zip(dataset, rows), "patches.zip", "application/zip", icon=":material/folder_zip:"
        )
        reason = st.text_input("Reason", key="exclude_reason", placeholder="why exclude", width=200)
        st.button(
            "Exclude", icon=":material/block:", on_click=_exclude, args=(dataset.source, reason),
            help="Leave them out of every page and of training. They can be put back.",
        )  # fmt: skip
        st.button("Empty", icon=":material/delete:", on_click=ids(dataset.source).clear)


def draw_excluded(dataset: Dataset) -> None:
    """Draw the way back for excluded patches; nothing where there are none."""
    excluded = read_exclusions(exclusions_path(dataset.source))
    if excluded:
        chosen = st.multiselect("Excluded patches to put back", list(excluded), key="put_back")
        with st.container(horizontal=True):
            st.button("Put back", disabled=not chosen, on_click=_put_back, args=(dataset.source, chosen))
            st.button(f"Put all {len(excluded):,} back", on_click=_put_back, args=(dataset.source, list(excluded)))


def _exclude(source: str, reason: str) -> None:
    try:
        add_exclusions(source, ids(source), reason.strip() or "chosen on the Browse page")
    except NodescopeError as error:
        frame.show_error(error)
        return
    st.session_state[state.NOTICE] = f"{len(ids(source)):,} patches are excluded from now on."
    ids(source).clear()
    cache.forget_dataset(source)


def _put_back(source: str, chosen: list[str]) -> None:
    try:
        remove_exclusions(source, chosen)
    except NodescopeError as error:
        frame.show_error(error)
        return
    cache.forget_dataset(source)
