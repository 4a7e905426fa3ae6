"""One look for all charts, so that a chart states only what is particular to it.

Streamlit's own theme is laid over :data:`THEME` in the browser: it brings fonts and the colours of paper, grid and ink
for light and dark, and sets the left and right margin of a template to 0. Margins and legends are therefore set on each
figure by :func:`empty_chart`, and only what Streamlit does not change stands in the template.
"""

from collections.abc import Iterable
from typing import Any, Literal

import numpy.typing as npt
import plotly.graph_objects as go
import plotly.io

from core.display import MUTED, SERIES
from core.evaluation import Estimate

Legend = Literal["", "above", "inside", "below"]

THEME = go.layout.Template(
    layout={
        "colorway": SERIES,
        "showlegend": False,
        "bargap": 0.15,
        "xaxis": {"automargin": True},
        "yaxis": {"automargin": True},
        "legend": {"orientation": "h", "traceorder": "normal"},
    }
)

PAPER = go.layout.Template(plotly.io.templates["plotly_white"]).update(THEME)
"""The same on white paper, for files that are read without Streamlit."""

PERCENT: dict[str, Any] = {"range": [-0.01, 1.01], "tickformat": ".0%"}
"""An axis of a share or a probability, with room for half of a mark at its ends."""

REFERENCE = {"color": MUTED, "dash": "dot", "width": 1.5}
"""A line to compare with, such as chance."""

INVISIBLE = {"marker": {"opacity": 0}}
"""Of selected and unselected marks that are only there to be clicked."""

_LEGENDS: dict[Legend, dict[str, Any]] = {
    # On the left: the camera that saves the chart is on the right.
    "above": {"x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom"},
    "inside": {"x": 0.98, "xanchor": "right", "y": 0.02, "yanchor": "bottom"},  # the empty corner below a ROC curve
    "below": {"x": 0, "xanchor": "left", "y": 0, "yanchor": "bottom", "yref": "container"},
}


def empty_chart(
    title: str = "",
    *,
    x: str = "",
    y: str = "",
    height: int = 320,
    legend: Legend = "",
    zoom: bool = False,
    click: bool = False,
    **layout: Any,
) -> go.Figure:
    """Return an empty figure in the common look.

    Args:
        title: of the chart; leave it empty where a heading stands above it.
        x: title of the horizontal axis.
        y: title of the vertical axis.
        height: in pixels.
        legend: where it stands; "" draws none.
        zoom: whether dragging zooms in. By default it scrolls the page on a touch screen and does nothing else.
        click: whether a click selects a point.
        layout: further properties of :class:`plotly.graph_objects.Layout`; they win over those from here. A `margin`
            may name single sides.
    """
    # A legend above stands in a line of its own below the title; without a title Plotly makes room for it.
    top = 8 if not title else 60 if legend == "above" else 38
    settings: dict[str, Any] = {
        "template": THEME,
        "height": height,
        "showlegend": bool(legend),
        "legend": _LEGENDS.get(legend, {}),
        "xaxis": {"title": {"text": x or None}, "fixedrange": not zoom},
        "yaxis": {"title": {"text": y or None}, "fixedrange": not zoom},
    }
    if title:
        settings["title"] = {"text": title, "font": {"size": 14}}
    if not zoom:
        settings["dragmode"] = False
    if click:
        settings["clickmode"] = "event+select"
    margin = {"l": 0, "r": 8, "t": top, "b": 0, **layout.pop("margin", {})}
    return go.Figure(layout=settings).update_layout(margin=margin, **layout)


def add_diagonal(figure: go.Figure) -> None:
    """Draw the line from (0, 0) to (1, 1): chance in a ROC curve, perfect calibration in a reliability diagram."""
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=REFERENCE, hoverinfo="skip", showlegend=False)


def error_bars(estimates: Iterable[Estimate]) -> dict[str, Any]:
    """Return `error_x` or `error_y` of a trace: the 95% CI of each point; none where the interval is not known."""
    # Bars are matched to points by position, so a point without an interval gets a bar of length 0.
    known = [each if each.has_interval else Estimate(each.value, each.value, each.value) for each in estimates]
    return bars([each.high - each.value for each in known], [each.value - each.low for each in known])


def bars(above: npt.ArrayLike, below: npt.ArrayLike) -> dict[str, Any]:
    """Return `error_x` or `error_y` of a trace whose bars reach this far above and below its points."""
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1}
