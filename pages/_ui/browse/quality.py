"""Browse: packing and checking in the background, what the check found, and what is excluded."""

import pandas as pd
import streamlit as st

from core.data import PATCH_SIZE, Dataset, choose_rule, is_stale, pack_folder
from core.data.quality import FLAGS
from core.data.store import PackedStore, RowStore
from core.formatting import file_size
from core.job import Job
from pages._ui import jobs, query_params, state
from pages._ui.browse import basket, filters
from pages._ui.browse.columns import Checked, checked_patches, fixed


def draw(dataset: Dataset) -> None:
    """Draw the pack, the check, and what is excluded."""
    draw_tools(dataset)
    if dataset.problems:
        with st.expander(f"{len(dataset.problems)} excluded", icon=":material/warning:", expanded=True):
            listed = [(problem.name, problem.reason) for problem in dataset.problems[:500]]
            st.dataframe(pd.DataFrame(listed, columns=["what", "why"]), hide_index=True)
            basket.draw_excluded(dataset)


def draw_tools(dataset: Dataset) -> None:
    """Draw pack and check: what they have done, what they are doing, or how to start them."""
    checked = checked_patches(dataset)
    with st.expander(_heading(dataset, checked), icon=":material/build:", expanded=True):
        _pack(dataset)
        _check(dataset, checked)


def _heading(dataset: Dataset, checked: Checked | None) -> str:
    packed = [] if dataset.kind == "demo" else ["packed" if _is_packed(dataset) else "not packed"]
    if checked is None:
        return " · ".join(["Pack and check", *packed, "not checked"])
    flagged = int(checked[1][list(FLAGS)].any(axis=1).sum())
    return " · ".join(["Pack and check", *packed, f"checked: {flagged:,} patches flagged"])


def _is_packed(dataset: Dataset) -> bool:
    # With patches excluded the store is a selection of rows, and the pack lies below it.
    store = dataset.store.store if isinstance(dataset.store, RowStore) else dataset.store
    return isinstance(store, PackedStore)


def _pack(dataset: Dataset) -> None:
    job = Job(pack_folder(dataset.source) / "pack.job")
    if dataset.kind == "demo":
        st.caption("The demo set needs no pack.")
        return
    if not job.status().is_active:
        if _is_packed(dataset):
            st.caption("Patches are read from the pack, one fast file.")
            return
        size = file_size(len(dataset) * PATCH_SIZE**2 * 3)
        st.caption(
            "The folder has changed since it was packed, so its files are read one by one. Pack it again for speed."
            if is_stale(dataset)
            else f"A pack, one large file, is read many times faster. It takes {size}."
        )
    jobs.draw(
        job, ["pack", dataset.source], label="Pack", doing="Packing", patches=len(dataset),
        next_one="Start it again: it continues from there.",
    )  # fmt: skip


def _check(dataset: Dataset, checked: Checked | None) -> None:
    job = Job(pack_folder(dataset.source) / "check.job")
    if not job.status().is_active:
        if checked is not None:
            _flags(checked[1])
            for kind, ids in checked[0].notes_by_kind(dataset).items():
                st.caption(f":material/info: {len(ids):,} patches: {kind} (such as {ids[0]})")
            for leak in fixed(dataset).leaks:
                st.warning(f"A leak: {leak}. Patches of one slide or patient look alike.", icon=":material/warning:")
            usual = choose_rule(dataset).describe()
            st.caption(f"A leak is between the training, validation and test splits of the default rule ({usual}).")
            return
        st.caption("The check finds unreadable, blank and blurred patches, duplicates, and leaks between splits.")
    jobs.draw(
        job, ["check", dataset.source], label="Check", doing="Checking", patches=len(dataset),
        next_one="Start it again: it starts from the beginning.",
    )  # fmt: skip


def _flags(table: pd.DataFrame) -> None:
    """Draw a button for each flag with the number of its patches, which shows them."""
    counts = {name: int(table[name].sum()) for name in FLAGS}
    absent = ", ".join(name for name, count in counts.items() if not count)
    if not any(counts.values()):
        st.markdown(f":material/check: Nothing was found: no patch is flagged as {absent}.")
        return
    st.caption("A button shows its patches; *Select* then takes all of them at once, to exclude or relabel them.")
    flagged = {filters.FLAGGED: int(table[list(FLAGS)].any(axis=1).sum()), **counts}
    for name, count in flagged.items():
        if count:
            label = f"{count:,} {'flagged' if name == filters.FLAGGED else name}"
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button(
                    label, icon=":material/grid_view:", key=f"flag-{name}", width=220, on_click=_show_flagged,
                    args=(name,), help=f"Show these under Patches: {name}.",
                )  # fmt: skip
                means = FLAGS.get(name, name)
                st.markdown("" if means == name else means, width="stretch")
    if absent:
        st.caption(f"No patch is flagged as {absent}.")


def _show_flagged(flag: str) -> None:
    filters.clear()
    filters.choose(state.FLAG, flag)
    st.session_state[state.SHOW] = "all"  # also those without a label
    st.session_state[state.BROWSE_VIEW] = "Patches"
    # Widgets that are not on this view do not write their address, and would read an old one when they come back.
    for key in (state.FIND, *filters.CHOICES):
        query_params.write(key, [])
    query_params.write(state.FLAG, [flag])
    query_params.write(state.SHOW, [filters.SHOW["all"]])
