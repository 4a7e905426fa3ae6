"""Plotly figures of learning curves: data in, figure out."""

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from core.display import MUTED, SERIES
from core.evaluation import METRICS
from core.reports.chart_theme import empty_chart, error_bars
from core.studies.learning_curve_result import CurveResult, Point

_MARGIN = 0.15  # of the axis beside the smallest and the largest size, in doublings


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
    estimates = [point.figure(name) for point in points]
    several = [each for each in points if len(each.runs) > 1]
    figure = empty_chart(
        f"{label} on the test patches", x="labelled training patches", y=label, legend="above" if several else "",
        zoom=True, uirevision=name,
    )  # fmt: skip
    if several:
        figure.add_scatter(
            x=[run.size for each in several for run in each.runs],
            y=[run.evaluation.figures[name].value for each in several for run in each.runs],
            customdata=[run.seed for each in several for run in each.runs], mode="markers", name="each seed",
            marker={"size": 8, "color": MUTED, "symbol": "circle-open"},
            hovertemplate="%{x:,} patches, seed %{customdata}<br>%{y:.4f}<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=[each.size for each in points], y=[each.value for each in estimates], mode="lines+markers",
        name="mean of the seeds",
        line={"color": SERIES[0], "width": 2}, marker={"size": 10, "color": SERIES[0]},
        customdata=[_words(point, name) for point in points],
        error_y=error_bars(estimates),
        hovertemplate="%{x:,} patches<br>%{customdata}<extra></extra>",
    )  # fmt: skip
    ends = [math.log10(min(sizes)), math.log10(max(sizes))]
    beyond = max(_MARGIN * math.log10(2), 0.04 * (ends[1] - ends[0]))
    return figure.update_xaxes(
        type="log", range=[ends[0] - beyond, ends[1] + beyond],
        tickvals=list(sizes), ticktext=[f"{size:,}" for size in sizes], showgrid=True,
    )  # fmt: skip


def _words(point: Point, name: str) -> str:
    figure, spread = point.figure(name), point.spread(name)
    seeds = f"<br>{spread[0]:.3f} to {spread[1]:.3f} over {len(point.runs)} seeds" if len(point.runs) > 1 else ""
    return f"{figure}{seeds}"
