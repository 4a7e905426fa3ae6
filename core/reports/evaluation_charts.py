"""Plotly figures of an evaluation, for the page and the report: data in, figure out."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from core.display import CLASS_COLOURS, MUTED, SERIES
from core.evaluation import Band, ConfusionMatrix, Curve, Estimate, Evaluation, Reliability, Triage
from core.formatting import percent
from core.reports.chart_theme import INVISIBLE, PERCENT, REFERENCE, Legend, add_diagonal, bars, empty_chart, error_bars

CELLS = (("tn", "fp"), ("fn", "tp"))
"""Cells of the confusion matrix, row by row: rows are labels, columns are verdicts."""

CELL_NAMES = {
    "tn": "Correct normal (TN)",
    "fp": "False alarm (FP)",
    "fn": "Missed tumour (FN)",
    "tp": "Tumour found (TP)",
}

_LINE = {"color": SERIES[0], "width": 2}
_POINT = {"size": 12, "color": SERIES[1], "symbol": "diamond", "line": {"color": "white", "width": 1}}
# Beside the colour, the hatch tells normal from tumour.
_HATCH = {"solidity": 0.15, "fillmode": "overlay"}


def roc(curve: Curve, evaluation: Evaluation, band: Band | None = None) -> go.Figure:
    """Return the ROC curve with its band and the operating point on it; points of the curve can be selected."""
    figure = _square("ROC", "false alarms<br>(1 − specificity)", "sensitivity")
    _shade(figure, band)
    add_diagonal(figure)
    _curve(figure, curve, "false alarms %{x:.1%}<br>sensitivity %{y:.1%}")
    figure.add_scatter(
        x=[1 - evaluation.metrics["specificity"].value], y=[evaluation.metrics["sensitivity"].value],
        mode="markers", marker=_POINT, hovertemplate="now: %{x:.1%}, %{y:.1%}<extra></extra>", cliponaxis=False,
    )  # fmt: skip
    return figure


def precision_recall(curve: Curve, evaluation: Evaluation, band: Band | None = None) -> go.Figure:
    """Return precision over recall with its band and the operating point; points of the curve can be selected."""
    figure = _square("Precision and recall", "sensitivity<br>(recall)", "precision")
    _shade(figure, band)
    # In steps: precision does not change linearly between two thresholds, and average precision is the area below them.
    _curve(figure, curve, "sensitivity %{x:.1%}<br>precision %{y:.1%}", shape="vh")
    matrix = evaluation.confusion
    # Where nothing is called tumour, precision is undefined.
    if matrix.tp + matrix.fp:
        figure.add_scatter(
            x=[evaluation.metrics["sensitivity"].value], y=[matrix.tp / (matrix.tp + matrix.fp)],
            mode="markers", marker=_POINT, hovertemplate="now: %{x:.1%}, %{y:.1%}<extra></extra>", cliponaxis=False,
        )  # fmt: skip
    return figure


def two_models(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    *,
    shown: np.ndarray,
    names: tuple[str, str],
    thresholds: tuple[float, float],
) -> go.Figure:
    """Return the probability by one model over that by another, patch by patch; each point can be selected.

    Args:
        labels: (n,) 0 or 1.
        first: (n,) probabilities of the first model, to the right.
        second: (n,) of the second, upwards.
        shown: positions of the patches that are drawn.
        names: of the models.
        thresholds: of the models; between the two lines they decide differently.
    """
    figure = _square("", f"probability, {names[0]}", f"probability, {names[1]}", legend="above")
    figure.update_layout(height=420, margin={"t": 30})
    add_diagonal(figure)
    for label, name, symbol in ((0, "normal", "circle-open"), (1, "tumour", "circle")):
        rows = shown[labels[shown] == label]
        figure.add_scatter(
            x=first[rows], y=second[rows], mode="markers", name=name, customdata=rows, cliponaxis=False,
            marker={"size": 7, "color": CLASS_COLOURS[label], "symbol": symbol, "opacity": 0.7},
            unselected={"marker": {"opacity": 0.7}},
            hovertemplate="%{x:.1%} and %{y:.1%}<br><i>click to open it</i><extra>" + name + "</extra>",
        )  # fmt: skip
    figure.add_vline(thresholds[0], line={"color": MUTED, "width": 1})
    figure.add_hline(thresholds[1], line={"color": MUTED, "width": 1})
    return figure


def reliability(diagram: Reliability, title: str, *, colour: str = SERIES[0]) -> go.Figure:
    """Return the observed share of tumour over the predicted probability, with intervals."""
    figure = _square(f"{title} (ECE {diagram.ece:.3f})", "predicted probability", "share with tumour")
    add_diagonal(figure)
    share = diagram.count / max(1, diagram.count.max())
    # A line through bins of a few patches would zigzag by chance, and look like a broken model.
    many = diagram.count >= 10
    for bins, mode, opacity in ((many, "markers+lines", 1.0), (~many, "markers", 0.3)):
        figure.add_scatter(
            unselected={"marker": {"opacity": 0.6 * opacity}}, x=diagram.mean_probability[bins],
            y=diagram.observed[bins], mode=mode, opacity=opacity,
            marker={"size": 5 + 8 * np.sqrt(share[bins]), "color": colour}, line={"color": colour, "width": 1},
            customdata=np.stack([diagram.index, diagram.count], axis=1)[bins], cliponaxis=False,
            text=[percent(mean) for mean in diagram.mean_probability[bins]],
            error_y=bars((diagram.high - diagram.observed)[bins], (diagram.observed - diagram.low)[bins]),
            hovertemplate="predicted %{text}<br>observed %{y:.1%}<br>%{customdata[1]:,} patches<extra></extra>",
        )  # fmt: skip
    # How much each point rests on: a bar from below, as high as a fifth of the diagram for the fullest bin.
    figure.add_bar(
        x=diagram.mean_probability, y=0.2 * share, width=0.05, marker={"color": colour, "opacity": 0.25},
        # Those of small bins would stand so close together that "2" and "1" read as 21.
        text=[f"{count:,}" if count >= 10 else "" for count in diagram.count], textposition="outside",
        textfont={"size": 11}, cliponaxis=False, hoverinfo="skip",
    )  # fmt: skip
    return figure


def decision_curve(thresholds: np.ndarray, model: np.ndarray, everything: np.ndarray, *, threshold: float) -> go.Figure:
    """Return the net benefit over the threshold: of the model, of calling every patch tumour, and of calling none.

    `model` and `everything` are those of :func:`core.evaluation.net_benefit`; `threshold` is the one in use.
    """
    figure = empty_chart("Decision curve", x="decision threshold", y="net benefit", legend="above", margin={"r": 0})
    for name, values, line in (
        ("the model", model, _LINE),
        ("all called tumour", everything, {"color": MUTED, "dash": "dash"}),
        ("none called tumour", np.zeros_like(model), {"color": MUTED, "dash": "dot"}),
    ):
        figure.add_scatter(
            x=thresholds, y=values, name=name, mode="lines", line=line,
            hovertemplate=f"{name}<br>threshold %{{x:.2f}}<br>net benefit %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(threshold, line={"color": SERIES[1], "width": 1})
    top = float(max(model.max(), everything.max(), 0.01))
    # Calling all tumour costs without end towards a threshold of 1, which would flatten everything else.
    return figure.update_yaxes(range=[-0.25 * top, 1.1 * top]).update_xaxes(range=[0, 1])


def confusion(matrix: ConfusionMatrix) -> go.Figure:
    """Return the confusion matrix with counts and the share of each row; each cell can be selected."""
    counts = [[getattr(matrix, name) for name in row] for row in CELLS]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    figure = empty_chart("Confusion matrix", height=330, click=True, hoverdistance=80, margin={"r": 0})
    figure.add_heatmap(
        z=shares, x=[0, 1], y=[0, 1], colorscale=[[0, "rgba(91,74,156,0.06)"], [1, "rgba(91,74,156,0.55)"]],
        zmin=0, zmax=1, showscale=False, hoverinfo="skip", xgap=3, ygap=3,
    )  # fmt: skip
    # Cells of a heatmap cannot be selected; marks that cannot be seen lie over them for that.
    places = [(row, column) for row in range(2) for column in range(2)]
    for row, column in places:
        name = CELLS[row][column]
        label = CELL_NAMES[name].replace(" ", "<br>", 1)  # in two lines: a cell may be no wider than 80 pixels
        text = f"<b>{counts[row][column]:,}</b><br>{label}<br>{shares[row][column]:.1%}"
        figure.add_annotation(x=column, y=row, text=text, showarrow=False, font={"size": 13})
    figure.add_scatter(
        x=[column for _, column in places], y=[row for row, _ in places], mode="markers",
        marker={"size": 90, "opacity": 0, "symbol": "square"}, selected=INVISIBLE, unselected=INVISIBLE,
        customdata=[CELLS[row][column] for row, column in places], hovertemplate="click to see them<extra></extra>",
    )  # fmt: skip
    axis = {"tickvals": [0, 1], "range": [-0.5, 1.5], "showgrid": False, "zeroline": False}
    figure.update_xaxes(ticktext=["called<br>normal", "called<br>tumour"], **axis)
    figure.update_yaxes(ticktext=["is<br>normal", "is<br>tumour"], **{**axis, "range": [1.5, -0.5]})
    return figure


def probabilities(labels: np.ndarray, values: np.ndarray, lines: Sequence[tuple[float, str]]) -> go.Figure:
    """Return the histogram of probabilities for each class, with lines at some thresholds."""
    edges = np.linspace(0, 1, 41)
    figure = empty_chart(
        x="probability of tumour", y="patches (log scale)", height=240, legend="above", barmode="overlay", bargap=0
    )
    for label, name, pattern in ((0, "normal", "/"), (1, "tumour", "")):
        counts = np.histogram(values[labels == label], edges)[0]
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2, y=counts, width=0.025, name=name, opacity=0.75,
            marker={"color": CLASS_COLOURS[label], "pattern": {"shape": pattern, **_HATCH}},
            hovertemplate="%{y:,} " + name + " near %{x:.1%}<extra></extra>",
        )  # fmt: skip
    sides = ("top left", "top right")[-len(lines) :]  # away from each other, for lines that are close
    for (at, text), side in zip(lines, sides, strict=True):
        line = {"dash": "dash", "width": 1.5, "color": MUTED}
        figure.add_vline(x=at, line=line, annotation_text=text, annotation_position=side)
    return figure.update_xaxes(**PERCENT).update_yaxes(type="log", dtick=1)


def groups(result: Triage) -> go.Figure:
    """Return one bar of three groups: clear, review, suspicious."""
    figure = empty_chart(height=90, barmode="stack", bargap=0.1, margin={"l": 14, "r": 20, "t": 4})
    stacked = (
        ("clear", result.clear, CLASS_COLOURS[0], "/", "white"),
        ("review", result.review, SERIES[1], "", "#141413"),
        ("suspicious", result.suspicious, CLASS_COLOURS[1], "", "white"),
    )
    for name, count, colour, pattern, ink in stacked:
        share = count / result.n
        figure.add_bar(
            x=[share], y=[""], orientation="h", name=name, text=f"{name} {share:.0%}" if share > 0.06 else "",
            marker={"color": colour, "pattern": {"shape": pattern, **_HATCH}}, insidetextanchor="middle",
            insidetextfont={"size": 14, "color": ink},
            hovertemplate=f"{name}: {count:,} patches (%{{x:.1%}})<extra></extra>", textangle=0,
        )  # fmt: skip
    return figure.update_xaxes(tickformat=".0%", range=[0, 1]).update_yaxes(visible=False)


def estimates(
    names: Sequence[str],
    values: Sequence[Estimate],
    *,
    title: str,
    notes: Sequence[str],
    reference: float | None = None,
    faint: Sequence[bool] | None = None,
) -> go.Figure:
    """Return estimates as points with intervals, one below the other; each point can be selected.

    Args:
        names: of the rows.
        values: their estimates; undefined ones are not drawn.
        title: of the axis.
        notes: shown under the pointer.
        reference: where to draw a vertical line.
        faint: rows with few patches, drawn hollow.
    """
    kept = [row for row, value in enumerate(values) if value.is_defined]
    hollow = [bool(faint and faint[row]) for row in kept]
    figure = empty_chart(x=title, height=96 + 26 * max(3, len(kept)), click=True, margin={"t": 24})
    figure.add_scatter(
        x=[values[row].value for row in kept], y=[names[row] for row in kept], mode="markers",
        customdata=kept, text=[notes[row] for row in kept],
        marker={"size": 10, "color": SERIES[0], "symbol": ["circle-open" if each else "circle" for each in hollow]},
        error_x=error_bars(values[row] for row in kept),
        hovertemplate="%{y}: %{x:.3f}<br>%{text}<extra></extra>",
    )  # fmt: skip
    if reference is not None:
        figure.add_vline(x=reference, line=REFERENCE)
    # Names of slides may be numbers, which Plotly would put on a scale.
    return figure.update_yaxes(autorange="reversed", type="category")


def changes(centre: np.ndarray, piece: np.ndarray, labels: np.ndarray) -> go.Figure:
    """Return, for each patch, how far the probability moves without the centre and without a piece of the rim."""
    figure = _square("Change of the probability", "a piece of the rim blanked", "the centre blanked", legend="above")
    add_diagonal(figure)
    for label, name, symbol in ((0, "normal", "circle-open"), (1, "tumour", "circle")):
        rows = np.flatnonzero(labels == label)
        figure.add_scatter(
            x=piece[rows], y=centre[rows], mode="markers", name=name, customdata=rows, cliponaxis=False,
            marker={"size": 7, "color": CLASS_COLOURS[label], "symbol": symbol, "opacity": 0.7},
            hovertemplate="piece of the rim %{x:.2f}<br>centre %{y:.2f}<extra>" + name + "</extra>",
        )  # fmt: skip
    return figure


def shares(values: np.ndarray, chance: float) -> go.Figure:
    """Return the histogram of the centre's share of the attribution, with chance marked."""
    counts, edges = np.histogram(values, np.linspace(0, 1, 26))
    figure = _square("Share of the map inside the centre", "share", "patches")
    figure.add_bar(x=(edges[:-1] + edges[1:]) / 2, y=counts, width=0.038, marker={"color": SERIES[0]}, hoverinfo="y")
    figure.add_vline(x=chance, line=REFERENCE, annotation_text="by area", annotation_position="top right")
    figure.add_vline(
        x=float(np.median(values)),
        line={"color": SERIES[1]},
        annotation_text="median",
        annotation_position="bottom right",
    )
    # This axis counts patches, where _square() set one of shares.
    return figure.update_yaxes(range=None, autorange=True, tickvals=None, tickformat="d")


def _shade(figure: go.Figure, band: Band | None) -> None:
    if band is None:
        return
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_scatter(x=band.x, y=band.low, **edge)
    figure.add_scatter(x=band.x, y=band.high, fill="tonexty", fillcolor="rgba(0,114,178,0.18)", **edge)


def _curve(figure: go.Figure, curve: Curve, hover: str, *, shape: str = "linear") -> None:
    # Markers that cannot be seen make points of the line selectable.
    # The first threshold is infinite (nothing is called tumour); a decision threshold is at most 1.
    thresholds = np.where(np.isfinite(curve.thresholds), curve.thresholds, 1.0)
    figure.add_scatter(
        x=curve.x, y=curve.y, mode="lines+markers", line={**_LINE, "shape": shape}, customdata=thresholds,
        marker={"size": 9, "opacity": 0}, selected=INVISIBLE, unselected=INVISIBLE,
        hovertemplate=hover + "<br>threshold %{customdata:.3f}<br><i>click to set it</i><extra></extra>",
    )  # fmt: skip


def _square(title: str, x: str, y: str, *, legend: Legend = "") -> go.Figure:
    """Return an empty figure with two axes from 0 to 100%; on the right is room for half of "100%"."""
    figure = empty_chart(title, x=x, y=y, height=330, legend=legend, click=True, margin={"r": 22})
    figure.update_xaxes(tickvals=[0, 0.5, 1], **PERCENT)
    return figure.update_yaxes(tickvals=[0, 0.25, 0.5, 0.75, 1], **PERCENT)
