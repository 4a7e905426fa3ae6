"""Values in the address that belong to no widget, and values of old links."""

import re
from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages._ui import state

OLD = {
    "view": {"Figures": "figures", "Slices": "slices", "Take away": "export"},
    "look": {
        "Tumour found": "cell:tp",
        "False alarm": "cell:fp",
        "Missed tumour": "cell:fn",
        "Normal, rightly": "cell:tn",
        "Least sure": "sure",
    },
    "map_colour": {"Part": "split"},
    "in_part": {"valid": "validation"},
}
"""Labels in links of earlier versions, and the options that they mean. A widget writes the label of its value into the
address, so that a link breaks when a label changes."""


FEWEST, MOST = 6, 900
"""Patches of a grid on a page."""

WHOLE = {
    state.PER_GRID, state.SIZE, state.PAGE, state.ERRORS_PAGE, state.SPLIT_SEED, state.SPLIT_TEST, state.SPLIT_VALID,
    state.SHUFFLE_SEED, state.SMOOTHING,
}  # fmt: skip
"""The keys whose values in an address are whole numbers."""

_DIGITS = re.compile("[0-9]{1,10}")


def whole(text: str) -> int | None:
    """Return the number that a text of up to ten plain digits is, or None: people and programs type addresses."""
    # Not str.isdigit: "²" is a digit for it, and int() refuses it.
    return int(text) if _DIGITS.fullmatch(text) else None


def clean() -> None:
    """Drop what is no number and set what an old link means, before the widgets are drawn."""
    # A number field takes "inf" and "nan" for numbers, and fails when it makes them whole.
    wrong = [key for key in WHOLE & set(st.query_params) if whole(st.query_params[key]) is None]
    for key in wrong:
        del st.query_params[key]
    if wrong:
        st.rerun()  # a field takes its first value from the address as it was when this run began
    for key, options in OLD.items():
        given = st.query_params.get(key)
        # What the session holds is the visitor's own choice, and newer than the link.
        if given in options and key not in st.session_state:
            st.session_state[key] = options[given]
    _translate_rows_and_columns()


def _translate_rows_and_columns() -> None:
    """Take rows × columns, which grids had before they fitted the window, for the number of patches on a page."""
    given = [st.query_params.get(name, "") for name in ("rows", "columns")]
    if state.PER_GRID in st.session_state or not any(given):
        return
    # The numbers that a grid had without them in the address.
    rows, columns = (usual if whole(text) is None else int(text) for text, usual in zip(given, (6, 15), strict=True))
    st.session_state[state.PER_GRID] = min(max(rows * columns, FEWEST), MOST)


def read(key: str) -> list[str]:
    """Return the values that the address gives to a key."""
    return st.query_params.get_all(key)


def write(key: str, values: Sequence[str]) -> None:
    """Give a key these values; without any it leaves the address."""
    if values:
        st.query_params[key] = list(values)
    else:
        st.query_params.pop(key, None)


def come_back(page: str) -> None:
    """Note the address of a page, and bring it back where the browser's Back leads to the page without it.

    On the way to another page Streamlit adds an entry to the browser's history that lacks the values of this one.
    """
    context, before = get_script_run_ctx(), st.session_state.get(state.PAGE_SHOWN)
    st.session_state[state.PAGE_SHOWN] = page
    kept: dict[str, list[str]] = st.session_state.get(state.LEFT, {}).get(page, {})
    here = {key: read(key) for key in st.query_params}
    is_back = context is not None and context.is_history_navigation and before != page
    if is_back and here != kept and here.items() <= kept.items():
        for key, values in kept.items():
            if key not in here:
                write(key, values)
        st.rerun()  # a field takes its first value from the address as it was when this run began
    note(page)


def note(page: str) -> None:
    """Note the address of a page, as what is drawn on it may have changed it."""
    st.session_state.setdefault(state.LEFT, {})[page] = {key: read(key) for key in st.query_params}


def keep(keys: Sequence[str], *, came_back: bool) -> None:
    """Bring back the values that the page had when the visitor left it for another page, which clears the address.

    Args:
        keys: those of the page.
        came_back: whether another page was shown since.
    """
    kept: dict[str, list[str]] = st.session_state.setdefault(state.ADDRESS, {})
    for key in keys:
        # A value in the address wins: it is that of a link that was just followed.
        if came_back and not read(key) and kept.get(key):
            write(key, kept[key])
        kept[key] = read(key)
