"""Which patches Browse shows, and in which order; every choice stands in the address."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.data import Dataset
from core.data.check import FLAGS
from core.data.quality import MEASURES
from pages._ui import state

ANY = "any"
FLAGGED = "any flag"
CLEAN = "no flag"
AS_IT_IS = "as it is"
LOW, HIGH = ", low first", ", high first"


def chosen(dataset: Dataset, found: pd.DataFrame | None) -> npt.NDArray[np.int64]:
    """Draw the filter and return the rows that pass it, in the order wished for."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        rows = _filtered(dataset, found)
        measured = [] if found is None else [name + way for name in MEASURES for way in (LOW, HIGH)]
        order = _select("Sort", [AS_IT_IS, "id", *measured], state.SORT)
    return ordered(dataset, found, rows, order)


def ordered(
    dataset: Dataset, found: pd.DataFrame | None, rows: npt.NDArray[np.int64], order: str
) -> npt.NDArray[np.int64]:
    """Return the rows in an order of the list: "as it is", "id", or a measure with low or high first."""
    if order == AS_IT_IS:
        return rows
    if order == "id" or found is None:
        return rows[np.argsort(dataset.table["id"].to_numpy(dtype=object)[rows], kind="stable")]
    values = found[order.removesuffix(LOW).removesuffix(HIGH)].to_numpy()[rows]
    return rows[np.argsort(-values if order.endswith(HIGH) else values, kind="stable")]


def _filtered(dataset: Dataset, found: pd.DataFrame | None) -> npt.NDArray[np.int64]:
    table = dataset.table
    keep = np.ones(len(table), bool)
    parts = sorted(table["split"].astype(str).unique())
    if len(parts) > 1:
        part = _select("Part", [ANY, *parts], state.IN_PART)
        keep &= (part == ANY) | (table["split"].astype(str) == part).to_numpy()
    slides = sorted(table["slide"].dropna().unique())
    if slides:
        slide = _select("Slide", [ANY, *slides], state.SLIDE)
        keep &= (slide == ANY) | (table["slide"] == slide).fillna(False).to_numpy(bool)
    if found is not None:
        keep &= _flagged(found)
    text = st.text_input("Find id", key=state.FIND, bind="query-params", width=220, placeholder="a part of it")
    if text.strip():
        keep &= table["id"].str.contains(text.strip(), regex=False).fillna(False).to_numpy(bool)
    return np.flatnonzero(keep)


def _flagged(found: pd.DataFrame) -> npt.NDArray[np.bool_]:
    flags = found[list(FLAGS)].to_numpy(bool)
    flag = _select("Quality", [ANY, CLEAN, FLAGGED, *FLAGS], state.FLAG)
    if flag == ANY:
        return np.ones(len(found), bool)
    if flag in (CLEAN, FLAGGED):
        return np.asarray(flags.any(axis=1) == (flag == FLAGGED))
    return np.asarray(flags[:, list(FLAGS).index(flag)], bool)


def _select(label: str, options: list[str], key: str) -> str:
    """Draw a choice, of which the first is the default; words of another data set or an old link are let go."""
    if st.session_state.get(key, options[0]) not in options:
        st.session_state[key] = options[0]
    return str(st.selectbox(label, options, key=key, bind="query-params", width=190) or options[0])
