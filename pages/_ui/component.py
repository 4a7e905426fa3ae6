"""Components of our own, from files that lie beside each other, and what they send."""

from pathlib import Path
from typing import Any

import streamlit as st


def sent(key: str, *names: str) -> Any:
    """Return what the widget or component `key` sent under a name, or under one within another, for its callback.

    None where it sent nothing, or was clicked while its page was being left: Streamlit has forgotten it by then.
    """
    held = st.session_state.get(key)
    for name in names:
        held = held.get(name) if held else None
    return held


def component(name: str, folder: Path, stem: str) -> Any:
    """Return what draws the component whose files are `stem`.html and .css in a folder, and all its scripts as one.

    Its styles are not isolated: keys reach it before the shortcuts of the page, focus is the browser's, and so are the
    styles that its libraries set.
    """
    html, css = ((folder / f"{stem}.{kind}").read_text("utf-8") for kind in ("html", "css"))
    js = "\n".join(each.read_text("utf-8") for each in sorted(folder.glob("*.js")))
    return st.components.v2.component(name, html=html, css=css, js=js, isolate_styles=False)
