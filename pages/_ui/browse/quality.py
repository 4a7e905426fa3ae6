"""Packing and checking from the Browse page, in the background; and what the check found."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.data import Dataset, default_rule, is_stale, pack_folder
from core.data.quality import FLAGS
from core.data.store import PackedStore, RowStore
from core.job import Job
from pages._ui import jobs, query_params, state
from pages._ui.browse import filters
from pages._ui.browse.check import Found


def draw(dataset: Dataset, checked: Found | None) -> None:
    """Draw the two tools: what they have done, what they are doing, or how to start them."""
    with st.expander(_heading(dataset, checked), icon=":material/build:", expanded=True):
        packing, checking = st.columns([2, 3])  # what a flag means is a sentence
        with packing:
            _pack(dataset)
        with checking:
            _check(dataset, checked)


def _heading(dataset: Dataset, checked: Found | None) -> str:
    packed = [] if dataset.kind == "demo" else ["packed" if _is_packed(dataset) else "not packed"]
    if checked is None:
        return " · ".join(["Pack and check", *packed, "not checked"])
    flagged = int(checked[1][list(FLAGS)].any(axis=1).sum())
    return " · ".join(["Pack and check", *packed, f"checked: {flagged:,} patches flagged"])


def _is_packed(dataset: Dataset) -> bool:
    store = dataset.store.store if isinstance(dataset.store, RowStore) else dataset.store
    return isinstance(store, PackedStore)


def _pack(dataset: Dataset) -> None:
    job = Job(pack_folder(dataset.source) / "pack.job")
    if dataset.kind == "demo":
        st.caption("The demo set needs no packing.")
    elif job.status().is_active:
        jobs.watch_patches(job, "Packing", len(dataset), key="cancel-Packing")
    elif _is_packed(dataset):
        st.caption("Patches come from the pack, one fast file.")
    else:
        st.caption(
            "The folder has changed since it was packed; its files are read one by one. Pack again to make it fast."
            if is_stale(dataset)
            else f"A pack reads many times faster; it takes {len(dataset) * 27_648 / 1e9:.2f} GB."
        )
        _start(job, "Pack", ["pack", dataset.source], again="it goes on from there")


def _check(dataset: Dataset, checked: Found | None) -> None:
    job = Job(pack_folder(dataset.source) / "check.job")
    if job.status().is_active:
        jobs.watch_patches(job, "Checking", len(dataset), key="cancel-Checking")
    elif checked is not None:
        _flags(checked[1])
        usual = default_rule(dataset).describe()
        st.caption(f"Leaks are between the parts of the split that training makes unless told otherwise ({usual}).")
    else:
        st.caption("The check finds unreadable, blank and blurred patches, duplicates and leaks between split parts.")
        _start(job, "Check", ["check", dataset.source], again="it begins anew")


def _flags(table: pd.DataFrame) -> None:
    """Draw how many patches have each flag; pressing a number shows them."""
    counts = {name: int(table[name].sum()) for name in FLAGS}
    absent = ", ".join(name for name, count in counts.items() if not count)
    if not any(counts.values()):
        st.markdown(f":material/check: Nothing was found. No patch is marked as {absent}.")
        return
    st.caption("Press a number to see the patches.")
    told = {filters.FLAGGED: int(table[list(FLAGS)].any(axis=1).sum()), **counts}
    for name, count in told.items():
        if count:
            number, words = st.columns([1, 5], vertical_alignment="center")
            number.button(
                f"{count:,}", key=f"flag-{name}", width="stretch", on_click=_show_flagged, args=(name,),
                help=f"Show these under Patches: {name}",
            )  # fmt: skip
            means = FLAGS.get(name, name)
            words.markdown(f"**{name.capitalize()}**" + ("" if means == name else f": {means}"))
    if absent:
        st.caption(f"None is marked as {absent}.")


def _show_flagged(flag: str) -> None:
    filters.clear()
    filters.choose(state.FLAG, flag)
    st.session_state[state.SHOW] = "all"  # also those without a label
    st.session_state[state.BROWSE_VIEW] = "Patches"
    # Widgets that are not there do not tell the address by themselves, and would believe an old one.
    for key in (state.FIND, state.IN_PART, state.SLIDE, state.VERDICT):
        query_params.write(key, [])
    query_params.write(state.FLAG, [flag])
    query_params.write(state.SHOW, [filters.SHOW["all"]])


def _start(job: Job, label: str, command: Sequence[str], *, again: str) -> None:
    """Draw the button that starts a job, and how the last attempt ended; `again` says what a new one does."""
    status = job.status()
    if status.state == "failed":
        st.error(f"The last attempt failed. {status.message}", icon=":material/error:")
    elif status.state == "lost":
        st.warning(f"The last attempt was killed at {status.share:.0%}. Start it again: {again}.")
    elif status.state == "cancelled":
        st.caption(f"The last attempt was cancelled. Start it again: {again}.")
    st.button(label, icon=":material/play_arrow:", on_click=jobs.launch, args=(job, command), key=f"start-{label}")
