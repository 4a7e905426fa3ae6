"""Components of our own: HTML, style and script from files that lie beside each other."""

from pathlib import Path
from typing import Any

import streamlit as st


def component(name: str, folder: Path, stem: str) -> Any:
    """Return what draws the component whose files are `stem`.html, .css and .js in a folder.

    Its styles are not isolated: keys reach it before the shortcuts of the page, focus is the browser's, and so are the
    styles that its libraries set.
    """
    texts = {kind: (folder / f"{stem}.{kind}").read_text("utf-8") for kind in ("html", "css", "js")}
    return st.components.v2.component(name, **texts, isolate_styles=False)
