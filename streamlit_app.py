"""Nodescope, an interactive viewer for lymph-node patches: ``streamlit run streamlit_app.py``."""

import streamlit as st

from pages._ui import layout

st.set_page_config(page_title="Nodescope", page_icon="🔬", layout="wide")

page = st.navigation(
    [
        st.Page("pages/browse.py", title="Browse", icon=":material/grid_view:", default=True),
        st.Page("pages/train.py", title="Train", icon=":material/model_training:"),
        st.Page("pages/evaluate.py", title="Evaluate", icon=":material/query_stats:"),
        st.Page("pages/predict.py", title="Predict", icon=":material/biotech:"),
    ],
    position="top",
)
with layout.frame(page):
    page.run()
