"""Nodescope, an interactive viewer for lymph-node patches: ``streamlit run streamlit_app.py``."""

import streamlit as st

if __name__ == "streamlit_app":  # the server loads this file once, and runs it as a script for every page that is drawn
    from starlette.middleware import Middleware

    from pages._ui.server import OwnPagesOnly
    from pages._ui.slides.routes import routes

    base = st.get_option("server.baseUrlPath")
    app = st.App(__file__, middleware=[Middleware(OwnPagesOnly)], routes=routes(base))
else:
    from pages._ui import layout

    st.set_page_config(page_title="Nodescope", page_icon="🔬", layout="wide")

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
    with layout.frame(page):
        page.run()
