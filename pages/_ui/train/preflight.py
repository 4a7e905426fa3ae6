"""Train: the preflight of a run: its time and memory, and a learning rate that suits it."""

import plotly.graph_objects as go
import streamlit as st

from core.display import MUTED, SERIES
from core.errors import NodescopeError
from core.reports.chart_theme import empty_chart
from core.runs import TrainingConfig, list_runs
from core.training.preflight.job import Preflight
from core.training.preflight.lr_finder import LearningRateCurve
from pages._ui import jobs, layout, state, widgets
from pages._ui.train import fields


def show(config: TrainingConfig, origin: str) -> None:
    """Draw the estimate and the learning rate finder for the settings in the form.

    Args:
        config: what the form holds.
        origin: what the form was filled from; the end of its widgets' keys.
    """
    st.markdown("**Before you start**")
    left, right = st.columns([2, 3])
    try:
        with left.container(border=True):
            _cost(Preflight.of("cost", config), config)
        with right.container(border=True):
            _rate(Preflight.of("rate", config), config, origin)
    except NodescopeError as error:
        layout.show_error(error)


def _cost(preflight: Preflight, config: TrainingConfig) -> None:
    st.markdown("**:material/timer: Time and memory**")
    found = preflight.cost(config.epochs)
    if found is not None:
        st.markdown(found.sentence())
        st.caption(f"For {found.train:,} training patches, without the time to read them and without an early end.")
    else:
        st.caption("Trains a few steps with these settings, without making a run.")
    _button(preflight, config, "Estimate" if found is None else "Estimate again", "Training a few steps")
    # The newest runs only: reading hundreds of files every second would slow the page.
    if any(run.status().is_active for run in list_runs()[:20] if (run.path / "status.json").is_file()):
        st.caption(":material/info: Another run is training or waiting, so the measured times are too long.")


def _rate(preflight: Preflight, config: TrainingConfig, origin: str) -> None:
    st.markdown("**:material/trending_up: Learning rate**")
    curve = preflight.rate()
    if curve is None:
        st.caption(
            "Raises the learning rate step by step and measures the loss. This takes about a minute on a laptop."
        )
    else:
        st.plotly_chart(
            figure(curve, config.learning_rate), config=widgets.CHART, key="rate-curve",
            alt="Loss over the learning rate, on a logarithmic axis, with the suggestion",
        )  # fmt: skip
        st.markdown(curve.sentence())
    with st.container(horizontal=True):
        if curve is not None:
            st.button(f"Use {curve.suggestion:.2g}", icon=":material/check:", on_click=use,
                      args=(curve.suggestion, config, origin))  # fmt: skip
        _button(
            preflight, config, "Find a learning rate" if curve is None else "Find it again", "Raising the learning rate"
        )


def use(rate: float, config: TrainingConfig, origin: str) -> None:
    """Put a learning rate into the form; that of the last layer keeps its share. A callback."""
    st.session_state[fields.key_of("learning_rate", origin)] = rate
    st.session_state[state.NOTICE] = f"The learning rate in the form is now {rate:.2g}."
    if config.head_learning_rate is not None:
        # 10 is the field's highest value, and Streamlit refuses a larger one.
        head = min(10.0, config.head_learning_rate * rate / config.learning_rate)
        st.session_state[fields.key_of("head_learning_rate", origin)] = head


def figure(curve: LearningRateCurve, now: float) -> go.Figure:
    """Return the losses over the learning rate, with the suggestion and the rate in the form."""
    # The axis shows the losses up to the lowest one; the rise after it is not what the rate is chosen by.
    falls = curve.smoothed[: int(curve.smoothed.argmin()) + 1]
    low, high = float(falls.min()), float(falls.max())
    margin = 0.3 * max(high - low, 0.05)
    figure = empty_chart(
        x="learning rate", y="loss", height=300, legend="below", zoom=True, uirevision="rate", margin={"b": 80}
    )
    figure.add_scatter(
        x=curve.rates, y=curve.losses, mode="markers", name="each step", marker={"size": 4, "color": MUTED},
        hoverinfo="skip", opacity=0.6,
    )  # fmt: skip
    figure.add_scatter(
        x=curve.rates, y=curve.smoothed, mode="lines", name="smoothed", line={"color": SERIES[0], "width": 2},
        hovertemplate="rate %{x:.2g}: loss %{y:.3f}<extra></extra>",
    )  # fmt: skip
    for value, name, dash, colour in (
        (curve.suggestion, "suggestion", "solid", SERIES[1]), (now, "in the form", "dot", MUTED),
    ):  # fmt: skip
        figure.add_vline(x=value, line={"color": colour, "width": 2, "dash": dash})
        # A line across the chart has no entry in the legend; an empty trace that looks the same provides it.
        figure.add_scatter(x=[None], y=[None], mode="lines", name=name, line={"color": colour, "dash": dash})
    figure.update_xaxes(type="log", exponentformat="power", dtick=1)
    # The loss explodes at the end of the range, and would squeeze the rest.
    return figure.update_yaxes(range=[low - margin, high + margin])


def _button(preflight: Preflight, config: TrainingConfig, label: str, doing: str) -> None:
    status = preflight.status()
    if status.is_active:
        jobs.watch(preflight, doing)
        return
    jobs.last_attempt(status)
    if st.button(label, icon=":material/play_arrow:", key=f"start-{preflight.kind}"):
        _start(preflight, config)


def _start(preflight: Preflight, config: TrainingConfig) -> None:
    try:
        layout.dataset()  # raises where the folder is no data set, before anything is measured
        preflight.start(config)
    except NodescopeError as error:
        st.session_state[state.NOTICE] = str(error)
    st.rerun()
