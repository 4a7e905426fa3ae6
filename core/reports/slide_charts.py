"""Plotly figures of many slides: the cohort and its evaluation."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from core.display import MUTED, SERIES, TUMOUR
from core.reports.chart_theme import PERCENT, empty_chart, error_bars
from core.slides.evaluation import CLASSES
from core.slides.froc import RATES, Froc

SHARES = (0.0, 1e-9, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Ends of the bars of :func:`tumour_shares`: most slides have little tumour or none."""

FOCI = (0, 1, 2, 3, 4, 5, 6, 11, 21, 51, 101)
"""Starts of the bars of :func:`foci_counts`; the last one takes all that have more."""


def tumour_shares(shares: npt.NDArray[np.float64]) -> go.Figure:
    """Return how many slides have which share of tumour in their tissue, `shares` in [0, 1]."""
    bounds = np.array(SHARES)
    counts = np.bincount(np.clip(np.searchsorted(bounds, shares, side="right") - 1, 0, 8), minlength=9)
    ends = [f"{end:.3g}" for end in 100 * bounds]
    names = ["none", f"under {ends[2]}%", *(f"{low}–{high}%" for low, high in pairwise(ends[2:]))]
    return _bars(names, counts, "share of tumour in the tissue")


def foci_counts(foci: npt.NDArray[np.int64]) -> go.Figure:
    """Return how many slides have how many foci."""
    counts = np.bincount(np.searchsorted(FOCI, foci, side="right") - 1, minlength=len(FOCI))
    ends = [*(after - 1 for after in FOCI[1:]), None]
    names = [
        str(low) if low == high else f"{low}+" if high is None else f"{low}–{high}"
        for low, high in zip(FOCI, ends, strict=True)
    ]
    last = int(np.flatnonzero(counts).max(initial=0)) + 1
    return _bars(names[:last], counts[:last], "foci on a slide")


def froc_curve(curve: Froc) -> go.Figure:
    """Return the FROC curve with the six points whose mean is the score, and their intervals over slides."""
    figure = empty_chart("FROC", x="false foci a slide", y="lesions found")
    figure.update_yaxes(**PERCENT)
    figure.update_xaxes(range=[0, max(RATES) + 0.3])
    figure.add_scatter(
        x=[*curve.rates, max(*RATES, *curve.rates)], y=[*curve.sensitivities, curve.sensitivities[-1]], mode="lines",
        line={"color": SERIES[0], "width": 2},
        hovertemplate="%{x:.2f} false foci a slide<br>%{y:.1%} of the lesions found<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=RATES, y=[each.value for each in curve.at_rates], mode="markers", error_y=error_bars(curve.at_rates),
        marker={"size": 9, "color": SERIES[1], "symbol": "diamond"}, cliponaxis=False,
        customdata=[each.interval(".1%") for each in curve.at_rates],
        hovertemplate="%{y:.1%} (%{customdata}) at %{x} false foci a slide<extra></extra>",
    )  # fmt: skip
    return figure


def class_matrix(counts: Mapping[tuple[str, str], int]) -> go.Figure:
    """Return how many slides of each true class were called which, by the longest focus."""
    table = np.array([[counts.get((true, called), 0) for called in CLASSES] for true in CLASSES])
    figure = empty_chart("Classes", x="called", y="true")
    figure.add_heatmap(
        z=table, x=CLASSES, y=CLASSES, text=[[str(each or "") for each in row] for row in table],
        texttemplate="%{text}",
        colorscale=[[0, "rgba(0,0,0,0)"], [1, SERIES[0]]], showscale=False, xgap=2, ygap=2,
        hovertemplate="true %{y}, called %{x}: %{z} slides<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    return figure


def area_errors(errors: Mapping[str, float]) -> go.Figure:
    """Return by how many mm² the called area of each slide exceeds the true one."""
    figure = empty_chart("Area, called less true", x="mm²")
    ordered = sorted(errors.items(), key=lambda each: each[1])
    colours = [TUMOUR if value > 0 else MUTED for _, value in ordered]
    figure.add_bar(
        x=[value for _, value in ordered], y=[name for name, _ in ordered], orientation="h", marker={"color": colours},
        hovertemplate="%{y}: %{x:+.3f} mm²<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(showticklabels=len(ordered) <= 12)
    return figure


def _bars(names: Sequence[str], counts: npt.NDArray[np.int64], what: str) -> go.Figure:
    figure = empty_chart(x=what, y="slides", height=260)
    figure.add_bar(
        x=list(names), y=counts, marker={"color": SERIES[0]}, hovertemplate="%{x}: %{y} slides<extra></extra>"
    )
    figure.update_xaxes(type="category")
    few = counts.max(initial=0) <= 5  # ticks between whole numbers would repeat them
    figure.update_yaxes(rangemode="tozero", tickformat="d", dtick=1 if few else None)
    return figure
