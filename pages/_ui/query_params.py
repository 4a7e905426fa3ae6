"""What stands in the address without being the value of a widget."""

from collections.abc import Sequence

import streamlit as st

from pages._ui import state


def read(key: str) -> list[str]:
    """Return the values that the address gives to a key."""
    return st.query_params.get_all(key)


def write(key: str, values: Sequence[str]) -> None:
    """Give a key these values; without any it leaves the address."""
    if values:
        st.query_params[key] = list(values)
    else:
        st.query_params.pop(key, None)


def keep(keys: Sequence[str], *, came_back: bool) -> None:
    """Bring back the values that the page had when the visitor left it for another page, which clears the address.

    Args:
        keys: those of the page.
        came_back: whether another page was shown since.
    """
    kept: dict[str, list[str]] = st.session_state.setdefault(state.ADDRESS, {})
    for key in keys:
        if came_back and not read(key) and kept.get(key):
            write(key, kept[key])
        kept[key] = read(key)
