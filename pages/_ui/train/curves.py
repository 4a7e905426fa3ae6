"""Train: the curves of a run, and those of several runs in one figure."""

import json
from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.display import SERIES
from core.errors import RunError
from core.reports.chart_theme import REFERENCE, empty_chart
from core.runs import Run
from core.studies.study import Study
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
"""Line styles that distinguish curves without their colour."""

OFFICIAL_BY_SLIDE = ("demo", "pcam", "WILDS camelyon17")
"""Kinds of data whose official splits are different slides."""


def show(run: Run) -> None:
    """Draw the curves of a run: loss, validation, learning rate and throughput, with the best epoch marked."""
    metrics, speed = run.metrics(), run.speed()
    if metrics.empty:
        st.caption("The curves start after the first epoch.")
        return
    best = metrics.loc[metrics["valid_auc"].idxmax()]
    epoch = int(best["epoch"])
    left, right = st.columns(2)
    _draw(left, metrics, {"train_loss": "training", "valid_loss": "validation"}, "Loss", epoch)
    _draw(right, metrics, {"valid_auc": "AUC", "valid_accuracy": "accuracy"}, "Validation", epoch, star=best)
    _draw(left, metrics, {"learning_rate": "learning rate"}, "Learning rate", epoch, height=180)
    if not speed.empty:
        _draw(
            right,
            speed,
            {"patches_per_second": "patches per second"},
            "Throughput (training patches per second)",
            epoch,
            height=180,
        )
    st.caption(
        f"★ Best validation AUC {best['valid_auc']:.4f} in epoch {epoch} (dotted line), accuracy there "
        f"{best['valid_accuracy']:.1%}. Validation chose this epoch, so its metrics are slightly optimistic. "
        + ("Test patches (above)" if run.bundle_path.exists() else "Test patches (at the end)")
        + " are different patches"
        + (" from other slides" if _by_slide(run) else "")
        + ": their metrics can be higher or lower."
    )


def _by_slide(run: Run) -> bool:
    """Whether the run's splits are known to be different slides; False before it has divided its data."""
    path = run.path / "data.json"
    if not path.is_file():
        return False
    try:
        sources = json.loads(path.read_text("utf-8"))
        ways = [(each["kind"], each["split"]["kind"], each["split"]["by"]) for each in sources]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} is damaged ({error!r}); expected how the run divided its data. Duplicate the run and start that."
        ) from error
    return all(by == "slide" or (way == "official" and kind in OFFICIAL_BY_SLIDE) for kind, way, by in ways)


def overlay(metrics: dict[str, pd.DataFrame], column: str) -> go.Figure:
    """Return one curve for each run, by epoch; a star marks the epoch with the best validation AUC."""
    longest = max(len(table) for table in metrics.values())
    figure = _by_epoch(CURVES[column], longest, height=360)
    figure.update_layout(legend={"y": -0.22, "x": 0, "xanchor": "left", "yanchor": "top"})  # names of runs are long
    for number, (name, table) in enumerate(metrics.items()):
        colour = SERIES[number % len(SERIES)]
        figure.add_scatter(
            x=table["epoch"], y=table[column], name=name, mode="lines+markers" if len(table) == 1 else "lines",
            legendgroup=name, line={"color": colour, "width": 2, "dash": DASHES[number % len(DASHES)]},
            hovertemplate="%{y:.4g}<extra>%{fullData.name}</extra>",
        )  # fmt: skip
        best = table.loc[table["valid_auc"].idxmax()]
        figure.add_scatter(
            x=[best["epoch"]], y=[best[column]], mode="markers", legendgroup=name, showlegend=False,
            marker={"symbol": "star", "size": 13, "color": colour, "line": {"width": 1, "color": "#FFFFFF"}},
            hoverinfo="skip",
        )  # fmt: skip
    return figure


def show_study(study: Study, names: Mapping[str, str]) -> None:
    """Draw the validation AUC of the runs of a study while they train; `names` are by the names of the runs."""
    metrics = {names[run.name]: run.metrics() for run in study.runs()}
    drawn = {name: each for name, each in metrics.items() if not each.empty}
    if drawn:
        st.plotly_chart(
            overlay(drawn, "valid_auc"), config=widgets.CHART, key=f"learning-{study.name}",
            alt=f"Validation AUC of {', '.join(drawn)} by epoch",
        )  # fmt: skip


def _draw(
    place: "st.delta_generator.DeltaGenerator",
    metrics: pd.DataFrame,
    columns: dict[str, str],
    title: str,
    best_epoch: int,
    *,
    star: pd.Series | None = None,
    height: int = 260,
) -> None:
    figure = _by_epoch(title, len(metrics), height=height)
    for (column, label), colour, dash in zip(columns.items(), SERIES, DASHES, strict=False):
        figure.add_scatter(
            x=metrics["epoch"], y=metrics[column], name=label, mode="lines+markers",
            line={"color": colour, "width": 2, "dash": dash}, marker={"size": 5 if len(metrics) < 40 else 1},
            hovertemplate="%{y:.4g}<extra>%{fullData.name}</extra>", showlegend=len(columns) > 1,
        )  # fmt: skip
    if star is not None:
        figure.add_scatter(
            x=[star["epoch"]], y=[star["valid_auc"]], mode="markers", showlegend=False, hoverinfo="skip",
            marker={"symbol": "star", "size": 13, "color": SERIES[0]},
        )  # fmt: skip
    figure.add_vline(x=best_epoch, line=REFERENCE)
    place.plotly_chart(figure, config=widgets.CHART, key=f"curve-{title}", alt=f"{title} by epoch")


def _by_epoch(title: str, epochs: int, *, height: int) -> go.Figure:
    """Return an empty figure over the epochs; title and legend share a line, as their texts are short."""
    figure = empty_chart(
        title, x="epoch", height=height, legend="above", zoom=True, hovermode="x unified", uirevision=title,
        margin={"t": 34},
    )  # fmt: skip
    figure.update_layout(title={"y": 0.98, "yanchor": "top"})
    # Whole epochs, at most ten labels, and half an epoch at both ends, so that a run of one epoch has an axis too.
    figure.update_xaxes(tickformat="d", dtick=max(1, -(-epochs // 10)), range=[0.5, epochs + 0.5])
    is_small = height < 200
    # "e": a small learning rate reads 3e-6, not "3µ".
    return figure.update_yaxes(
        nticks=5 if is_small else 7, rangemode="tozero" if is_small else "normal", exponentformat="e"
    )
