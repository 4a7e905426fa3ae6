"""Plotly figures for the Evaluate page."""

import plotly.graph_objects as go

from core.display import MUTED, SERIES
from core.evaluation import ConfusionMatrix, Curve, Evaluation, Reliability

_LINE = {"color": SERIES[0], "width": 2}
_POINT = {"size": 11, "color": SERIES[1], "line": {"color": "white", "width": 1}}


def roc(curve: Curve, evaluation: Evaluation) -> go.Figure:
    """Return the ROC curve with the operating point on it."""
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": MUTED, "dash": "dot"}, hoverinfo="skip")
    _curve(figure, curve, "false alarms %{x:.1%}<br>sensitivity %{y:.1%}")
    figure.add_scatter(
        x=[1 - evaluation.figures["specificity"].value], y=[evaluation.figures["sensitivity"].value],
        mode="markers", marker=_POINT, hovertemplate="now: %{x:.1%}, %{y:.1%}<extra></extra>",
    )  # fmt: skip
    return _finish(figure, "ROC", "false alarms (1 − specificity)", "sensitivity")


def precision_recall(curve: Curve, evaluation: Evaluation) -> go.Figure:
    """Return precision over recall with the operating point on it."""
    figure = go.Figure()
    _curve(figure, curve, "sensitivity %{x:.1%}<br>precision %{y:.1%}")
    matrix = evaluation.confusion
    if matrix.tp + matrix.fp:
        figure.add_scatter(
            x=[evaluation.figures["sensitivity"].value], y=[matrix.tp / (matrix.tp + matrix.fp)],
            mode="markers", marker=_POINT, hovertemplate="now: %{x:.1%}, %{y:.1%}<extra></extra>",
        )  # fmt: skip
    return _finish(figure, "Precision and recall", "sensitivity (recall)", "precision")


def reliability(diagram: Reliability) -> go.Figure:
    """Return the observed share of tumour over the predicted probability, with intervals."""
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": MUTED, "dash": "dot"}, hoverinfo="skip")
    figure.add_scatter(
        x=diagram.mean_probability, y=diagram.observed, mode="markers+lines", marker={"size": 7, "color": SERIES[0]},
        line={"color": SERIES[0], "width": 1}, customdata=diagram.count,
        error_y={
            "type": "data", "symmetric": False, "array": diagram.high - diagram.observed,
            "arrayminus": diagram.observed - diagram.low, "thickness": 1,
        },
        hovertemplate="predicted %{x:.1%}<br>observed %{y:.1%}<br>%{customdata} patches<extra></extra>",
    )  # fmt: skip
    return _finish(figure, f"Reliability (ECE {diagram.ece:.3f})", "predicted probability", "share with tumour")


def confusion(matrix: ConfusionMatrix) -> go.Figure:
    """Return the confusion matrix with counts and the share of each row."""
    cells = [[matrix.tn, matrix.fp], [matrix.fn, matrix.tp]]
    names = [["rightly normal", "false alarm"], ["missed tumour", "tumour found"]]
    shares = [[count / max(1, sum(row)) for count in row] for row in cells]
    text = [[f"<b>{cells[i][j]:,}</b><br>{names[i][j]}<br>{shares[i][j]:.1%}" for j in range(2)] for i in range(2)]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=["called normal", "called tumour"],
            y=["is normal", "is tumour"],
            text=text,
            texttemplate="%{text}",
            colorscale=[[0, "rgba(91,74,156,0.06)"], [1, "rgba(91,74,156,0.65)"]],
            zmin=0,
            zmax=1,
            showscale=False,
            hoverinfo="skip",
            xgap=3,
            ygap=3,
        )
    )
    figure.update_layout(height=300, margin={"l": 0, "r": 0, "t": 8, "b": 0})
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    figure.update_xaxes(fixedrange=True)
    return figure


def _curve(figure: go.Figure, curve: Curve, words: str) -> None:
    figure.add_scatter(
        x=curve.x, y=curve.y, mode="lines", line=_LINE, customdata=curve.thresholds,
        hovertemplate=words + "<br>threshold %{customdata:.3f}<extra></extra>",
    )  # fmt: skip


def _finish(figure: go.Figure, title: str, x: str, y: str) -> go.Figure:
    figure.update_layout(
        title={"text": title, "font": {"size": 14}},
        showlegend=False,
        height=330,
        margin={"l": 0, "r": 8, "t": 36, "b": 0},
    )
    figure.update_xaxes(title=x, range=[-0.01, 1.01], fixedrange=True, tickformat=".0%")
    figure.update_yaxes(title=y, range=[-0.01, 1.01], fixedrange=True, tickformat=".0%")
    return figure
