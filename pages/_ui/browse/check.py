"""What the check found wrong with the patches of a data set, read once."""

import weakref

import pandas as pd
import streamlit as st

from core.data import Dataset, assign, default_rule
from core.data.quality import Check, check_path, findings, load_check

Found = tuple[Check, pd.DataFrame]


def found(dataset: Dataset) -> Found | None:
    """Return the check of the data set and its findings, or None if it was not checked as it is now."""
    path = check_path(dataset.source)
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    held = _held()
    for table, known, value in held:
        if table() is dataset.table and known == stamp:
            return value
    check = load_check(dataset)
    value = None if check is None else (check, findings(check, dataset, assign(dataset, default_rule(dataset))))
    held[:] = [(weakref.ref(dataset.table), stamp, value), *held[:3]]
    return value


@st.cache_resource(show_spinner=False)
def _held() -> "list[tuple[weakref.ref[object], int, Found | None]]":
    return []
