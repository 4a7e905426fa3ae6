"""Train: the curves of a run, and those of several runs in one figure."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.bundle.seen_slides import has_slides_apart
from core.display import SERIES
from core.reports import study_charts
from core.reports.chart_theme import REFERENCE, empty_chart
from core.runs import Run, Status
from core.studies.search_space import Axis
from core.studies.study import Study
from pages._ui import state, widgets

STEPS = "loss"
CURVES = {
    "valid_auc": "Validation AUC",
    "valid_accuracy": "Validation accuracy",
    "valid_loss": "Validation loss",
    "train_loss": "Training loss",
    STEPS: "Training loss within epochs",
    "learning_rate": "Learning rate",
}
"""Columns of metrics.csv, and the one of steps.csv, with their names on screen."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""Line styles that distinguish curves without their colour."""

DARK_AXES = """<style>.parcoords .domain, .parcoords .tick line { stroke: #B0B0B0 !important; }</style>"""
"""Plotly draws the axes of parallel coordinates black, also on a dark page."""

Curve = tuple[Sequence[float], Sequence[float]]
"""Epochs, which may be fractions, and a value at each."""


@dataclass(frozen=True)
class Look:
    """How curves are drawn.

    Attributes:
        smoothing: 0 to 0.95: how much of a point is that of the one before, as in TensorBoard.
        log: whether losses and learning rates have a logarithmic axis.
    """

    smoothing: float = 0.0
    log: bool = False


def choose_look() -> Look:
    """Draw how curves are drawn and return it."""
    percent = st.slider(
        "Smoothing", 0, 95, 0, 5, format="%d%%", key=state.SMOOTHING, bind="query-params", width=220,
        help="Each point becomes a mean with those before it; the pale line is as it was measured.",
    )  # fmt: skip
    log = st.toggle("Logarithmic axis", key=state.LOG_AXIS, bind="query-params", help="For losses and learning rates.")
    return Look(percent / 100, log)


def smoothed(values: Sequence[float], weight: float) -> Sequence[float]:
    """Return the exponential moving average, without a bias towards 0 at its start."""
    return pd.Series(values).ewm(alpha=1 - weight).mean().tolist() if weight else values


def within_epochs(run: Run, status: Status) -> Curve:
    """Return the training loss within the epochs; empty for a run of an earlier version, or one that has not begun."""
    table = run.steps()
    if table.empty or not status.steps:
        return (), ()
    return (table["step"] * status.epochs / status.steps).tolist(), table["loss"].tolist()


def show(run: Run, status: Status) -> None:
    """Draw the curves of a run: loss, validation, learning rate and throughput, with the best epoch marked."""
    metrics, speed, within = run.metrics(), run.speed(), within_epochs(run, status)
    if metrics.empty and not within[0]:
        st.caption("The curves begin after a few steps.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        look = choose_look()
    best = None if metrics["valid_auc"].isna().all() else metrics.loc[metrics["valid_auc"].idxmax()]
    epoch = None if best is None else int(best["epoch"])
    left, right = st.columns(2)
    _draw(left, "Loss", _columns(metrics, train_loss="training", valid_loss="validation"), epoch, look, within=within)
    if metrics.empty:
        st.caption("The other curves begin after the first epoch.")
        return
    _draw(right, "Validation", _columns(metrics, valid_auc="AUC", valid_accuracy="accuracy"), epoch,
          Look(look.smoothing), star=best)  # fmt: skip
    _draw(left, "Learning rate", _columns(metrics, learning_rate="learning rate"), epoch, Look(log=look.log),
          height=180)  # fmt: skip
    if not speed.empty:
        _draw(right, "Throughput (training patches per second)",
              _columns(speed, patches_per_second="patches per second"), epoch, Look(), height=180)  # fmt: skip
    if best is not None:
        st.caption(_best_epoch(run, best))


def _best_epoch(run: Run, best: pd.Series) -> str:
    return (
        f"★ Best validation AUC {best['valid_auc']:.3f} in epoch {best['epoch']:.0f} (dotted line), accuracy there "
        f"{best['valid_accuracy']:.3f}. Validation chose this epoch, so its metrics are slightly optimistic. "
        + ("Test patches (above)" if run.bundle_path.exists() else "Test patches (at the end)")
        + " are different patches"
        + (" from other slides" if _by_slide(run) else "")
        + ": their metrics can be higher or lower."
    )


def _by_slide(run: Run) -> bool:
    """Whether the run's splits are known to be different slides; False before it has divided its data."""
    sources = run.sources()
    apart = run.understood("data.json", lambda: [has_slides_apart(each, "test") for each in sources])
    return bool(apart) and all(apart)


def curve_of(run: Run, column: str) -> Curve:
    """Return a curve of :data:`CURVES` of a run; empty where there is none.

    Raises:
        RunError: its table is damaged.
    """
    if column == STEPS:
        return within_epochs(run, run.status())
    table = run.metrics()
    return table["epoch"].tolist(), table[column].tolist()


def overlay(
    found: Mapping[str, Curve], column: str, best: Mapping[str, int | None], look: Look | None = None
) -> go.Figure:
    """Return one curve for each run, by epoch.

    Args:
        found: a curve by the name of its run.
        column: of :data:`CURVES`, which all are.
        best: the epoch with the best validation AUC by the name of the run, which gets a star.
        look: how they are drawn.
    """
    look = look or Look()
    figure = _by_epoch(CURVES[column], found.values(), height=360, log=look.log and column not in _SHARES)
    figure.update_layout(legend={"y": -0.22, "x": 0, "xanchor": "left", "yanchor": "top"})  # names of runs are long
    for number, (name, curve) in enumerate(found.items()):
        colour = SERIES[number % len(SERIES)]
        _line(figure, html.escape(name), curve, look.smoothing, colour=colour, dash=DASHES[number % len(DASHES)],
              marked=len(curve[0]) == 1)  # fmt: skip
        epochs, star = list(curve[0]), best.get(name)
        if column != STEPS and star is not None and star in epochs:
            at = epochs.index(star)
            figure.add_scatter(
                x=[epochs[at]], y=[curve[1][at]], mode="markers", legendgroup=html.escape(name), showlegend=False,
                marker={"symbol": "star", "size": 13, "color": colour, "line": {"width": 1, "color": "#FFFFFF"}},
                hoverinfo="skip",
            )  # fmt: skip
    return figure


_SHARES = ("valid_auc", "valid_accuracy")


def show_study(study: Study, names: Mapping[str, str]) -> None:
    """Draw the validation AUC of the runs of a study while they train; `names` are by the names of the runs."""
    metrics = {names[run.name]: run.metrics() for run in study.runs()}
    drawn = {name: each for name, each in metrics.items() if each["valid_auc"].notna().any()}
    if drawn:
        found = {name: (each["epoch"].tolist(), each["valid_auc"].tolist()) for name, each in drawn.items()}
        best = {name: int(each.loc[each["valid_auc"].idxmax(), "epoch"]) for name, each in drawn.items()}
        st.plotly_chart(
            overlay(found, "valid_auc", best), config=widgets.CHART, key=f"learning-{study.name}",
            alt=f"Validation AUC of {', '.join(drawn)} by epoch",
        )  # fmt: skip


def show_parallel(
    axes: Sequence[Axis], values: Sequence[Mapping[str, Any]], aucs: Sequence[float], *, key: str, one: str
) -> None:
    """Draw parallel coordinates: a line for each run, or for each of whatever `one` calls them."""
    is_dark = st.context.theme.type == "dark"
    if is_dark:
        st.html(DARK_AXES)
    # On a phone the axes would stand on each other: the chart keeps its width and is scrolled sideways.
    width = 110 * len(axes) + 200
    st.html(f"<style>.st-key-axes {{ overflow-x: auto }} .st-key-axes > * {{ min-width: {width}px }}</style>")
    with st.container(key="axes"):
        st.plotly_chart(
            study_charts.parallel(axes, values, aucs, paper=f"rgb{widgets.background()}", is_dark=is_dark), theme=None,
            config=widgets.CHART, key=key, alt=f"A line for each {one} through the values of its settings to its "
            "validation AUC",
        )  # fmt: skip
    st.caption(f"Each line is a {one}; blue is better. Drag along an axis to see only those with these values.")


def _columns(table: pd.DataFrame, **labels: str) -> dict[str, Curve]:
    return {label: (table["epoch"].tolist(), table[name].tolist()) for name, label in labels.items()}


def _draw(
    place: "st.delta_generator.DeltaGenerator",
    title: str,
    found: Mapping[str, Curve],
    best_epoch: int | None,
    look: Look,
    *,
    star: pd.Series | None = None,
    height: int = 260,
    within: Curve = ((), ()),
) -> None:
    figure = _by_epoch(title, [*found.values(), within], height=height, log=look.log)
    if within[0]:  # behind the others, which are of whole epochs
        _line(figure, "within epochs", within, look.smoothing, colour=SERIES[2], dash="solid", width=1)
    for (label, curve), colour, dash in zip(found.items(), SERIES, DASHES, strict=False):
        _line(figure, label, curve, look.smoothing, colour=colour, dash=dash, marked=len(curve[0]) < 40,
              in_legend=len(found) > 1 and bool(curve[0]))  # fmt: skip
    if star is not None:
        figure.add_scatter(
            x=[star["epoch"]], y=[star["valid_auc"]], mode="markers", showlegend=False, hoverinfo="skip",
            marker={"symbol": "star", "size": 13, "color": SERIES[0]},
        )  # fmt: skip
    if best_epoch is not None:
        figure.add_vline(x=best_epoch, line=REFERENCE)
    place.plotly_chart(figure, config=widgets.CHART, key=f"curve-{title}", alt=f"{title} by epoch")


def _line(
    figure: go.Figure, name: str, curve: Curve, smoothing: float, *, colour: str, dash: str, marked: bool = False,
    in_legend: bool = True, width: int = 2,
) -> None:  # fmt: skip
    """Draw a curve, and where it is smoothed a pale one as it was measured behind it."""
    epochs, values = curve
    if smoothing:
        figure.add_scatter(
            x=epochs, y=values, mode="lines", legendgroup=name, showlegend=False, hoverinfo="skip", opacity=0.3,
            line={"color": colour, "width": 1},
        )  # fmt: skip
    figure.add_scatter(
        x=epochs, y=smoothed(values, smoothing), name=name, mode="lines+markers" if marked else "lines",
        legendgroup=name, showlegend=in_legend, line={"color": colour, "width": width, "dash": dash},
        marker={"size": 5}, hovertemplate="%{y:.4g}<extra>%{fullData.name}</extra>",
    )  # fmt: skip


def _by_epoch(title: str, found: Any, *, height: int, log: bool) -> go.Figure:
    """Return an empty figure over the epochs of curves; title and legend share a line, as their texts are short."""
    figure = empty_chart(
        title, x="epoch", height=height, legend="above", zoom=True, hovermode="x unified", uirevision=f"{title}{log}",
        margin={"t": 34},
    )  # fmt: skip
    figure.update_layout(title={"y": 0.98, "yanchor": "top"}, legend={"x": 1, "xanchor": "right"})
    epochs = np.concatenate([np.asarray(curve[0], float) for curve in found])
    first, last = float(epochs.min()), float(epochs.max())
    # Whole epochs, at most ten labels, and half an epoch at both ends, so that a run of one epoch has an axis too.
    figure.update_xaxes(
        tickformat="d", dtick=max(1, -(-int(last) // 10)), range=[0.5 if first >= 1 else 0, max(last, 1) + 0.5]
    )
    is_small = height < 200
    # "e": a small learning rate reads 3e-6, not "3µ".
    return figure.update_yaxes(
        nticks=5 if is_small else 7, rangemode="tozero" if is_small else "normal", exponentformat="e",
        type="log" if log else "linear",
    )  # fmt: skip
