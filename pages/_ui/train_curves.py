"""Train: the curves of a run, and those of several runs in one figure."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.display import SERIES
from core.training import Run
from pages._ui import widgets

CURVES = {
    "valid_auc": "Validation AUC",
    "valid_accuracy": "Validation accuracy",
    "valid_loss": "Validation loss",
    "train_loss": "Training loss",
    "learning_rate": "Learning rate",
}
"""Columns of metrics.csv with their names on screen."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""Beside the colour, so that curves are told apart without it."""


def show(run: Run) -> None:
    """Draw the curves of a run: loss and validation, and below, folded, learning rate and throughput."""
    metrics = run.metrics()
    if metrics.empty:
        st.caption("The curves begin after the first epoch.")
        return
    best = metrics.loc[metrics["valid_auc"].idxmax()]
    left, right = st.columns(2)
    _draw(left, metrics, {"train_loss": "training", "valid_loss": "validation"}, "Loss", "Loss by epoch")
    _draw(
        right, metrics, {"valid_auc": "AUC", "valid_accuracy": "accuracy"}, "Validation",
        "Validation AUC and accuracy by epoch", best=best,
    )  # fmt: skip
    st.caption(
        f"Best validation AUC {best['valid_auc']:.4f} in epoch {int(best['epoch'])}, accuracy there "
        f"{best['valid_accuracy']:.1%}. Validation patches choose the epoch, so these are slightly optimistic; the "
        "figures on test patches come when the run is finished."
        if not run.bundle_path.exists()
        else f"Best validation AUC {best['valid_auc']:.4f} in epoch {int(best['epoch'])}."
    )
    with st.expander("Learning rate and throughput"):
        left, right = st.columns(2)
        _draw(left, metrics, {"learning_rate": "learning rate"}, "Learning rate", "Learning rate by epoch")
        speed = run.speed()
        if not speed.empty:
            _draw(right, speed, {"patches_per_second": "patches/s"}, "Training patches a second", "Throughput by epoch")


def overlay(metrics: dict[str, pd.DataFrame], column: str) -> go.Figure:
    """Return one curve a run, by epoch; a star marks the epoch with the best validation AUC."""
    figure = go.Figure()
    for number, (name, table) in enumerate(metrics.items()):
        colour = SERIES[number % len(SERIES)]
        figure.add_scatter(
            x=table["epoch"], y=table[column], name=name, mode="lines", legendgroup=name,
            line={"color": colour, "width": 2, "dash": DASHES[number % len(DASHES)]},
            hovertemplate=f"{name}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
        )  # fmt: skip
        best = table.loc[table["valid_auc"].idxmax()]
        figure.add_scatter(
            x=[best["epoch"]], y=[best[column]], mode="markers", legendgroup=name, showlegend=False,
            marker={"symbol": "star", "size": 13, "color": colour},
            hovertemplate=f"{name}, best epoch %{{x}}: %{{y:.4g}}<extra></extra>",
        )  # fmt: skip
    longest = max(len(table) for table in metrics.values())
    return _laid_out(figure, CURVES[column], longest, height=340)


def _draw(
    place: "st.delta_generator.DeltaGenerator",
    metrics: pd.DataFrame,
    columns: dict[str, str],
    title: str,
    alt: str,
    *,
    best: pd.Series | None = None,
) -> None:
    place.plotly_chart(_figure(metrics, columns, title, best), config=widgets.CHART, key=f"curve-{title}", alt=alt)


def _figure(metrics: pd.DataFrame, columns: dict[str, str], title: str, best: pd.Series | None) -> go.Figure:
    figure = go.Figure()
    for (column, label), colour in zip(columns.items(), SERIES, strict=False):
        figure.add_scatter(
            x=metrics["epoch"], y=metrics[column], name=label, mode="lines+markers", line={"color": colour, "width": 2},
            marker={"size": 5}, hovertemplate=f"epoch %{{x}}: {label} %{{y:.4g}}<extra></extra>",
        )  # fmt: skip
    if best is not None:
        figure.add_scatter(
            x=[best["epoch"]], y=[best["valid_auc"]], mode="markers", name="best",
            marker={"symbol": "star", "size": 13, "color": SERIES[0]},
        )  # fmt: skip
    return _laid_out(figure, title, len(metrics), height=280)


def _laid_out(figure: go.Figure, title: str, epochs: int, *, height: int) -> go.Figure:
    figure.update_layout(
        title={"text": title, "font": {"size": 14}}, height=height, margin={"l": 0, "r": 8, "t": 36, "b": 0},
        legend={"orientation": "h", "y": 1.12, "x": 1, "xanchor": "right"}, hovermode="x", uirevision=title,
    )  # fmt: skip
    figure.update_xaxes(title="epoch", tickformat="d", dtick=max(1, epochs // 10))
    return figure
