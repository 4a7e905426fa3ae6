"""Train: start a run in a process of its own, watch it, stop it, resume it, compare it with others."""

import streamlit as st

from core.runs import Run, list_runs
from pages._ui import layout, state
from pages._ui.train import form, run, studies, trash
from pages._ui.train import runs as all_runs

NEW, ONE, ALL, STUDIES = VIEWS = ("New run", "One run", "All runs", "Studies")


def main() -> None:
    layout.title_row(of_data=True)
    st.caption(
        "A run is a process of its own: it continues when you close this page or the app. One run at a time uses a "
        "device; the others wait in the device queue."
    )
    runs = list_runs()
    view = _view(runs)
    if view == NEW:
        if not runs:
            st.info(
                "No run yet. Click **Start training**: the preset “Quick look” takes about two minutes on a laptop for "
                "the synthetic demo set, and you can watch the curves grow here.",
                icon=":material/model_training:",
            )
        form.show()
    elif view == STUDIES:
        studies.show()
    elif not runs:
        st.info("No run yet. A run trains a network on patches, and shows here how it goes and how good it gets.",
                icon=":material/model_training:")  # fmt: skip
        st.button("New run", icon=":material/add:", type="primary", on_click=st.session_state.update,
                  args=({state.WANTED_NEW: True},))  # fmt: skip
        trash.show()
    elif view == ONE:
        run.show(runs)
    else:
        all_runs.show(runs)


def _view(runs: list[Run]) -> str:
    """Draw the choice of the view and return it; the default is the newest run, where there is one."""
    # A widget's key can only be set before it is drawn, so buttons below leave a wish in the session and rerun it.
    wanted = st.session_state.pop(state.WANTED_RUN, None)
    if wanted is not None:
        st.session_state[state.RUN], st.session_state[state.RUNS_VIEW] = wanted, ONE
    if runs and st.session_state.get(state.RUNS_VIEW) == ONE:
        # Before the view, whose entry in the browser's history would else be one more that shows the same.
        run.settle(runs)
    if st.session_state.pop(state.WANTED_NEW, False):
        st.session_state[state.RUNS_VIEW] = NEW
    # Streamlit warns of a widget that has both a default and a value in the session.
    default = None if state.RUNS_VIEW in st.session_state else ONE if runs else NEW
    return str(
        st.segmented_control(
            "View", VIEWS, default=default, key=state.RUNS_VIEW, bind="query-params", required=True,
            label_visibility="collapsed",
        )
    )  # fmt: skip


layout.show(main)
