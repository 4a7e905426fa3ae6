"""Train: start a run in a process of its own, watch it, stop it, go on with it, compare it with others."""

import streamlit as st

from core.data import DEMO
from core.training import list_runs
from pages._ui import frame, state, train_compare, train_form, train_watch, widgets

VIEWS = ("One run", "All runs")


def main() -> None:
    widgets.title("Train", dataset=frame.dataset() if frame.data_source() == DEMO else None)
    st.caption(
        "A run goes on in a process of its own: close the page or stop the app, and it is still here afterwards. One "
        "run works on a device at a time; the others wait for their turn."
    )
    form, watch = st.columns([2, 5], gap="large")
    with form:
        train_form.show()
    with watch:
        _runs()


def _runs() -> None:
    runs = list_runs()
    st.subheader("Runs", anchor=False)
    if not runs:
        st.info(
            "No run yet. Press **Start training**: with the preset “Quick look” the synthetic demo set takes about two "
            "minutes on a laptop, and you see the curves grow here.",
            icon=":material/model_training:",
        )
        return
    view = st.segmented_control(
        "View", VIEWS, default=VIEWS[0], key=state.RUNS_VIEW, bind="query-params", required=True,
        label_visibility="collapsed",
    )  # fmt: skip
    if view == VIEWS[0]:
        train_watch.show(runs)
    else:
        train_compare.show(runs)


frame.show(main)
