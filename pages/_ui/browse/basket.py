"""The basket: patches that the visitor put aside, to export them or to exclude them."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import streamlit as st

from core.data import Dataset, Decision, decide, decisions_of, take_back
from core.display.export import patches_csv, patches_zip
from core.errors import NodescopeError
from pages._ui import layout, state
from pages._ui.browse.columns import PatchColumns

MOST = 10_000
"""Patches that can be put into the basket at once."""


def ids(source: str) -> list[str]:
    """Return the ids in the basket of a data set."""
    baskets: dict[str, list[str]] = st.session_state.setdefault(state.BASKET, {})
    return baskets.setdefault(source, [])


def put(source: str, more: Iterable[str]) -> None:
    """Put patches into the basket."""
    held = ids(source)
    held[:] = dict.fromkeys([*held, *more])


def take(source: str, patch_id: str) -> None:
    """Take a patch out of the basket."""
    if patch_id in ids(source):
        ids(source).remove(patch_id)


def draw_put(dataset: Dataset, page: npt.NDArray[np.int64], everything: npt.NDArray[np.int64]) -> None:
    """Draw the buttons that put patches into the basket.

    Args:
        dataset: the patches.
        page: rows of those on this page.
        everything: rows of those on all pages.
    """
    st.button(
        f"Put these {len(page):,} into the basket", icon=":material/add_shopping_cart:", disabled=not len(page),
        on_click=_put_rows, args=(dataset, page),
        help="The patches on this page; press a single patch to put only that one in.",
    )  # fmt: skip
    if len(page) < len(everything) <= MOST:
        st.button(f"All {len(everything):,}", on_click=_put_rows, args=(dataset, everything), key="put_all",
                  help="Put the patches of all pages into the basket")  # fmt: skip


def _put_rows(dataset: Dataset, rows: npt.NDArray[np.int64]) -> None:
    put(dataset.source, dataset.table["id"].iloc[rows])


def draw(known: PatchColumns) -> None:
    """Draw what can be done with the patches in the basket; nothing where it is empty."""
    dataset = known.dataset
    held = ids(dataset.source)
    if not held:
        return
    rows = known.fixed.index.get_indexer(held)
    rows = rows[rows >= 0].astype(np.int64)
    if not len(rows):
        return
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="bottom"):
        st.markdown(f":material/shopping_basket: **{len(rows):,} in the basket**", width="content")
        st.download_button(
            "CSV", lambda: patches_csv(dataset, rows), "patches.csv", "text/csv", icon=":material/download:",
            on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "PNGs", lambda: patches_zip(dataset, rows), "patches.zip", "application/zip", icon=":material/folder_zip:",
            on_click="ignore",
        )  # fmt: skip
        reason = st.text_input("Reason", key="exclude_reason", placeholder="why exclude", width=200)
        st.button(
            "Exclude", icon=":material/block:", on_click=_exclude, args=(dataset.source, reason),
            help="Leave them out of every page and of training. They can be put back.",
        )  # fmt: skip
        st.button("Empty", icon=":material/delete:", on_click=ids(dataset.source).clear)


def draw_excluded(dataset: Dataset) -> None:
    """Draw the way back for excluded patches; nothing where there are none."""
    excluded = [name for name, each in decisions_of(dataset.source).items() if each.kind == "exclude"]
    if excluded:
        chosen = st.multiselect("Excluded patches to put back", excluded, key="put_back")
        with st.container(horizontal=True):
            st.button("Put back", disabled=not chosen, on_click=_put_back, args=(dataset.source, chosen))
            st.button(f"Put all {len(excluded):,} back", on_click=_put_back, args=(dataset.source, excluded))


def _exclude(source: str, reason: str) -> None:
    try:
        excluded = Decision("exclude", reason=reason.strip() or "chosen on the Browse page")
        decide(source, dict.fromkeys(ids(source), excluded))
    except NodescopeError as error:
        layout.show_error(error)
        return
    st.session_state[state.NOTICE] = f"{len(ids(source)):,} patches are excluded from now on."
    ids(source).clear()


def _put_back(source: str, chosen: list[str]) -> None:
    try:
        take_back(source, chosen)
    except NodescopeError as error:
        layout.show_error(error)
        return
