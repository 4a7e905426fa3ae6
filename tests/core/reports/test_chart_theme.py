"""The common look of charts, and what a chart may change."""

import math

import numpy as np
import plotly.io

from core.evaluation import Estimate
from core.reports.chart_theme import PAPER, add_diagonal, empty_chart, error_bars


def test_a_chart_without_a_legend_neither_zooms_nor_drags() -> None:
    layout = empty_chart("Title", x="across", y="up").layout
    assert (layout.title.text, layout.xaxis.title.text, layout.yaxis.title.text) == ("Title", "across", "up")
    assert (layout.showlegend, layout.dragmode, layout.xaxis.fixedrange, layout.yaxis.fixedrange) == (
        False, False, True, True,
    )  # fmt: skip
    assert layout.clickmode is None
    assert layout.template.layout.colorway[0] == "#0072B2"


def test_a_chart_names_what_is_its_own() -> None:
    layout = empty_chart(legend="inside", zoom=True, click=True, height=90, bargap=0, margin={"r": 22}).layout
    assert (layout.legend.xanchor, layout.legend.yanchor, layout.showlegend) == ("right", "bottom", True)
    assert (layout.dragmode, layout.xaxis.fixedrange, layout.clickmode) == (None, False, "event+select")
    assert (layout.height, layout.bargap) == (90, 0)
    assert (layout.margin.l, layout.margin.r, layout.margin.t, layout.margin.b) == (0, 22, 8, 0)


def test_a_legend_above_has_a_line_of_its_own_below_the_title() -> None:
    assert empty_chart("Title", legend="above").layout.margin.t > empty_chart("Title").layout.margin.t


def test_error_bars_reach_the_ends_of_the_interval() -> None:
    found = error_bars([Estimate(0.5, 0.25, 1.0), Estimate(0.5, math.nan, math.nan)])
    assert np.array_equal(found["array"], [0.5, 0.0])
    assert np.array_equal(found["arrayminus"], [0.25, 0.0])


def test_the_diagonal_is_not_in_the_legend() -> None:
    figure = empty_chart()
    add_diagonal(figure)
    (line,) = figure.data
    assert (list(line.x), list(line.y), line.showlegend) == ([0, 1], [0, 1], False)


def test_paper_leaves_plotlys_own_template_as_it_is() -> None:
    assert PAPER.layout.showlegend is False
    assert plotly.io.templates["plotly_white"].layout.showlegend is None
