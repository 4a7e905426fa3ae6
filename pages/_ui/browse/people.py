"""Who decides, labels and tags: a name that a person gives once, and that every line of the files then carries."""

import streamlit as st

from core.errors import DataError, StorageError
from core.storage import atomic
from core.storage.home import home
from core.storage.record import typed
from core.storage.schema import parse
from pages._ui import sign_in, state


def name() -> str:
    """Return the visitor's name; empty until it was given."""
    if signed_in := sign_in.name():
        return signed_in
    known = names()
    # Where one person works in this home folder, nobody needs to ask again; of several, each says who it is.
    return str(st.session_state.get(state.PERSON) or (known[0] if len(known) == 1 else ""))


def draw() -> str:
    """Draw the field for the name, once on a page, and return it; who has signed in has one already."""
    if signed_in := sign_in.name():
        return signed_in
    known, mine = names(), name()
    st.session_state.setdefault(state.PERSON, mine or None)
    given = st.selectbox(
        "Your name", known if not mine or mine in known else [*known, mine], key=state.PERSON,
        accept_new_options=True, persist_state="session", placeholder="Type it once", width=220,
        help="It is stored with each label, decision and tag, with the time.",
    )  # fmt: skip
    chosen = str(given or "").strip()
    if chosen and chosen not in known:
        atomic.write_json(home() / "people.json", [*known, chosen])
    return chosen


def names() -> list[str]:
    """Return the names that were given in this home folder, the first first."""
    try:
        found: tuple[str, ...] = typed(tuple[str, ...], parse((home() / "people.json").read_text("utf-8")), "people")
    except (OSError, ValueError, TypeError, DataError, StorageError):
        return []  # only a list of suggestions: a damaged one is written anew with the next name
    return list(found)
