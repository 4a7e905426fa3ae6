"""Nodescope, an interactive viewer for lymph-node patches: ``streamlit run streamlit_app.py``."""

import sys
from importlib import import_module
from pathlib import Path
from threading import Thread

import streamlit as st

from pages._ui import sign_in

LAYOUT = "pages._ui.layout"

if __name__ == "streamlit_app":  # the server loads this file once, and runs it as a script for every page that is drawn
    from starlette.middleware import Middleware

    from pages._ui.server import OwnPagesOnly
    from pages._ui.slides.routes import routes

    # PyTorch takes seconds to import: from now on, and not from the first visit on.
    Thread(target=import_module, args=(LAYOUT,), daemon=True).start()
    base = st.get_option("server.baseUrlPath")
    app = st.App(__file__, middleware=[Middleware(OwnPagesOnly)], routes=routes(base))
else:
    st.set_page_config(page_title="Nodescope", page_icon="🔬", layout="wide")
    st.html(Path(__file__).parent / "pages" / "_ui" / "style.css")
    sign_in.require()

    page = st.navigation(
        [
            st.Page("pages/browse.py", title="Browse", icon=":material/grid_view:", default=True),
            st.Page("pages/train.py", title="Train", icon=":material/model_training:"),
            st.Page("pages/evaluate.py", title="Evaluate", icon=":material/query_stats:"),
            st.Page("pages/predict.py", title="Predict", icon=":material/biotech:"),
            st.Page("pages/slides.py", title="Slides", icon=":material/map:"),
        ],
        position="top",
    )
    # Before anything that takes a while: the title stays where it is while the rest comes.
    title = st.container(horizontal=True, vertical_alignment="center")
    title.header(page.title, anchor=False, width="content")
    starting = st.empty()
    if not hasattr(sys.modules.get(LAYOUT), "frame"):  # it is not imported to its end yet
        starting.caption("Starting Nodescope …")
    from pages._ui import layout

    starting.empty()
    with layout.frame(page, title):
        page.run()
