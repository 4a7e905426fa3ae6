"""Plotly figures of cross-validations, searches and learning curves: data in, figure out."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.display import MUTED, SERIES
from core.evaluation import METRICS, roc_points
from core.reports.chart_theme import Legend, add_diagonal, empty_chart, error_bars
from core.studies.cross_validation_result import FoldsResult
from core.studies.learning_curve_result import CurveResult, Point
from core.studies.search_result import SearchResult, SearchTrial
from core.studies.search_space import Axis

_MARKS = {
    "finished": {"color": SERIES[0], "symbol": "circle", "size": 10},
    "pruned": {"color": MUTED, "symbol": "x", "size": 9},
    "running": {"color": SERIES[1], "symbol": "circle-open", "size": 10},
    "unfinished": {"color": SERIES[1], "symbol": "circle-open", "size": 10},
}
_SCALE = [[0.0, "#9AA5B1"], [0.5, SERIES[2]], [1.0, SERIES[0]]]
FEW = 6
"""Different values up to which each has its own place on an axis."""
WIDE = 30.0
"""Ratio of the largest to the smallest value from which on an axis is logarithmic."""
_MARGIN = 0.15  # of the axis beside the smallest and the largest size, in doublings
_DARK_SCALE = [[0.0, "#5A5F66"], [0.5, SERIES[0]], [1.0, SERIES[2]]]


def pooled_roc(table: pd.DataFrame) -> go.Figure:
    """Return the ROC curve of all out-of-fold predictions, and behind it that of each fold."""
    figure = _chart("ROC of the out-of-fold predictions", "false alarms (1 − specificity)", "sensitivity")
    add_diagonal(figure)
    drawn = 0
    for fold, rows in table.groupby("fold"):
        # A fold with one class has no ROC curve.
        if rows["label"].nunique() == 2:
            curve = roc_points(rows["label"], rows["probability"])
            figure.add_scatter(
                x=curve.x, y=curve.y, mode="lines", line={"color": MUTED, "width": 1}, opacity=0.7,
                legendgroup="folds", name="each fold", showlegend=not drawn,
                hovertemplate=f"fold {fold}<br>false alarms %{{x:.1%}}<br>sensitivity %{{y:.1%}}<extra></extra>",
            )  # fmt: skip
            drawn += 1
    pooled = roc_points(table["label"], table["probability"])
    figure.add_scatter(
        x=pooled.x, y=pooled.y, mode="lines", line={"color": SERIES[0], "width": 3}, name="all folds together",
        hovertemplate="all folds<br>false alarms %{x:.1%}<br>sensitivity %{y:.1%}<extra></extra>",
    )  # fmt: skip
    return figure


def fold_aucs(result: FoldsResult) -> go.Figure:
    """Return the AUC of each fold with its 95% CI, and the mean over the folds as a band."""
    label, mean = METRICS["auc"].label, result.mean["auc"]
    measured = [(fold, fold.evaluation.metrics["auc"]) for fold in result.folds if fold.evaluation is not None]
    figure = _chart(f"{label} of each fold, and their mean", "", label)
    if mean.has_interval:
        figure.add_hrect(y0=mean.low, y1=mean.high, fillcolor=SERIES[2], opacity=0.25, line_width=0)
    figure.add_hline(y=mean.value, line={"color": SERIES[0], "width": 2})
    figure.add_scatter(
        x=[f"fold {fold.number}" for fold, _ in measured], y=[each.value for _, each in measured], mode="markers",
        marker={"size": 10, "color": SERIES[0]}, customdata=[[str(each), fold.n] for fold, each in measured],
        error_y=error_bars(each for _, each in measured),
        hovertemplate="%{x}, %{customdata[1]:,} patches<br>%{customdata[0]}<extra></extra>", showlegend=False,
    )  # fmt: skip
    return figure


def history(result: SearchResult) -> go.Figure:
    """Return the validation AUC of each trial, and the best of those finished so far."""
    # Trials lie everywhere, so the legend stands above, where it hides none.
    figure = _chart("Validation AUC, trial by trial", "trial", "best validation AUC", legend="above")
    for state, mark in _MARKS.items():
        shown = [each for each in result.trials if each.state == state and each.auc is not None]
        if shown:
            figure.add_scatter(
                x=[each.number for each in shown], y=[each.auc for each in shown], mode="markers", marker=mark,
                name=state, customdata=[_values(each) for each in shown],
                hovertemplate="trial %{x}: %{y:.3f}<br>%{customdata}<extra></extra>",
            )  # fmt: skip
    finished = [each for each in result.trials if each.state == "finished" and each.auc is not None]
    if finished:
        best = np.maximum.accumulate([each.auc or 0.0 for each in finished])
        figure.add_scatter(
            x=[each.number for each in finished], y=best, mode="lines", name="best so far", hoverinfo="skip",
            line={"color": SERIES[0], "width": 2, "shape": "hv"},
        )  # fmt: skip
    return figure.update_xaxes(tickformat="d", dtick=max(1, len(result.trials) // 10))


def importance(result: SearchResult) -> go.Figure:
    """Return how much of the difference between trials each setting explains."""
    # Ascending, because Plotly draws bars from below: the largest stands on top.
    found = sorted(result.importance.items(), key=lambda item: item[1])
    figure = _chart("What made trials differ", "share", "")
    figure.add_bar(
        x=[share for _, share in found], y=[_plain(name) for name, _ in found], orientation="h",
        marker={"color": SERIES[0]}, hovertemplate="%{y}: %{x:.0%}<extra></extra>", showlegend=False,
    )  # fmt: skip
    return figure.update_xaxes(tickformat=".0%", range=[0, 1])


def parallel(
    axes: Sequence[Axis], values: Sequence[Mapping[str, Any]], aucs: Sequence[float], *, paper: str = "#FFFFFF",
    is_dark: bool = False,
) -> go.Figure:  # fmt: skip
    """Return one line for each run, through the values of its settings to its validation AUC.

    Args:
        axes: the settings.
        values: of each run, by the names of the axes.
        aucs: of each run.
        paper: colour of the page. This kind of chart draws a halo of that colour around its texts.
        is_dark: whether the page is dark.
    """
    ink, scale = ("#E8E6E1", _DARK_SCALE) if is_dark else ("#141413", _SCALE)
    dimensions = [_dimension(axis, [each[axis.name] for each in values]) for axis in axes]
    figure = go.Figure(
        go.Parcoords(
            line={"color": aucs, "colorscale": scale, "showscale": False},
            dimensions=[*dimensions, {"label": "validation AUC", "values": aucs, "tickformat": ".3f"}],
            labelfont={"color": ink, "size": 12}, tickfont={"color": ink, "size": 11},
            rangefont={"color": "rgba(0,0,0,0)", "size": 1},
        )
    )  # fmt: skip
    return figure.update_layout(height=340, margin={"l": 60, "r": 50, "t": 50, "b": 20}, paper_bgcolor=paper)


def axis_over(name: str, values: Sequence[Any]) -> Axis:
    """Return an axis for values of which at least two differ; up to :data:`FEW` different ones are choices.

    Args:
        name: of the axis.
        values: of a setting, one for each run: numbers, or texts.
    """
    different = sorted(set(values), key=lambda each: (isinstance(each, str), each))
    if len(different) <= FEW or isinstance(different[-1], str):
        return Axis(name, choices=tuple(different))
    low, high = different[0], different[-1]
    return Axis(name, low, high, log=low > 0 and high / low > WIDE)


def learning_curve(result: CurveResult, sizes: Sequence[int], name: str = "auc") -> go.Figure:
    """Return a metric over the number of training patches, on an axis that gives each doubling the same room.

    Error bars are the 95% CI for the choice of test patches. With several seeds the curve is their mean, and each seed
    is an open mark.

    Args:
        result: with one finished run or more.
        sizes: all of the study, so that the axis does not change while it goes on.
        name: of the metric.
    """
    points, label = result.points, METRICS[name].label
    estimates = [point.metric(name) for point in points]
    several = [each for each in points if len(each.runs) > 1]
    figure = empty_chart(
        f"{label} on the test patches", x="labelled training patches", y=label, legend="above" if several else "",
        zoom=True, uirevision=name,
    )  # fmt: skip
    if several:
        figure.add_scatter(
            x=[run.size for each in several for run in each.runs],
            y=[run.evaluation.metrics[name].value for each in several for run in each.runs],
            customdata=[run.seed for each in several for run in each.runs], mode="markers", name="each seed",
            marker={"size": 8, "color": MUTED, "symbol": "circle-open"},
            hovertemplate="%{x:,} patches, seed %{customdata}<br>%{y:.3f}<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=[each.size for each in points], y=[each.value for each in estimates], mode="lines+markers",
        name="mean of the seeds",
        line={"color": SERIES[0], "width": 2}, marker={"size": 10, "color": SERIES[0]},
        customdata=[_at_point(point, name) for point in points],
        error_y=error_bars(estimates),
        hovertemplate="%{x:,} patches<br>%{customdata}<extra></extra>",
    )  # fmt: skip
    ends = [math.log10(min(sizes)), math.log10(max(sizes))]
    # A study of one size has no range, so the room beside it has a least width.
    beyond = max(_MARGIN * math.log10(2), 0.04 * (ends[1] - ends[0]))
    return figure.update_xaxes(
        type="log", range=[ends[0] - beyond, ends[1] + beyond],
        tickvals=list(sizes), ticktext=[f"{size:,}" for size in sizes], showgrid=True,
    )  # fmt: skip


def _at_point(point: Point, name: str) -> str:
    figure, spread = point.metric(name), point.spread(name)
    seeds = f"<br>{spread[0]:.3f} to {spread[1]:.3f} over {len(point.runs)} seeds" if len(point.runs) > 1 else ""
    return f"{figure}{seeds}"


def _dimension(axis: Axis, values: list[Any]) -> dict[str, Any]:
    if axis.choices:
        places = list(range(len(axis.choices)))
        return {
            "label": _plain(axis.name), "values": [axis.choices.index(value) for value in values],
            "range": [0, len(places) - 1], "tickvals": places,
            "ticktext": [f"{each:g}" if isinstance(each, float) else str(each) for each in axis.choices],
        }  # fmt: skip
    if not axis.log:
        return {"label": _plain(axis.name), "values": values, "range": [axis.low, axis.high]}
    ends = [math.log10(axis.low), math.log10(axis.high)]
    ticks = np.linspace(ends[0], ends[1], 5)
    return {
        "label": _plain(axis.name), "values": [math.log10(value) for value in values], "range": ends,
        "tickvals": ticks.tolist(), "ticktext": [f"{10**tick:.2g}" for tick in ticks],
    }  # fmt: skip


def _values(trial: SearchTrial) -> str:
    return "<br>".join(
        f"{_plain(name)} {value:.3g}" if isinstance(value, float) else f"{_plain(name)} {value}"
        for name, value in trial.values.items()
    )


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _chart(title: str, x: str, y: str, *, legend: Legend = "inside") -> go.Figure:
    # uirevision keeps what a visitor has zoomed into while the study goes on and the figure is drawn again.
    return empty_chart(title, x=x, y=y, legend=legend, zoom=True, uirevision=title)
