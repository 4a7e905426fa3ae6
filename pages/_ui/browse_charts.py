"""The charts of Browse: how the classes are balanced, and how they differ in brightness, sharpness and stain."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.data import Dataset
from core.data.quality import MEASURES
from core.display import CLASS_COLOURS, MUTED
from pages._ui import state, widgets

MEANS = {
    "brightness": "mean grey level, 0 black to 255 white",
    "contrast": "standard deviation of the grey levels",
    "sharpness": "fine detail (Laplacian) in units of the contrast",
    "haematoxylin": "mean optical density of haematoxylin, which stains nuclei blue-violet",
    "eosin": "mean optical density of eosin, which stains the rest pink",
}
BINS = 60


def balance(counts: dict[str, int], labelled: int) -> go.Figure:
    """Return one bar of all patches, divided by class."""
    colours = {"tumour": CLASS_COLOURS[1], "normal": CLASS_COLOURS[0], "no label": MUTED}
    figure = go.Figure()
    for name in ("tumour", "normal", "no label"):
        if counts[name]:
            share = "" if name == "no label" or not labelled else f" {counts[name] / labelled:.1%}"
            figure.add_bar(
                x=[counts[name]], y=[""], orientation="h", name=name, marker_color=colours[name],
                text=f"{name}{share}", textposition="inside", insidetextanchor="middle",
                hovertemplate=f"{name}: %{{x:,}} patches<extra></extra>",
            )  # fmt: skip
    figure.update_layout(
        barmode="stack", height=64, showlegend=False, margin={"l": 0, "r": 0, "t": 6, "b": 6}, bargap=0.1
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def draw_distributions(dataset: Dataset, found: pd.DataFrame) -> None:
    """Draw how a measure is distributed in each class, over all patches of the data set."""
    with st.expander("Brightness, sharpness and stain by class", icon=":material/bar_chart:"):
        measure = st.segmented_control(
            "Measure", list(MEASURES), default=MEASURES[0], key=state.MEASURE, bind="query-params", required=True,
            format_func=str.capitalize,
        )  # fmt: skip
        name = str(measure or MEASURES[0])
        figure = distribution(found.loc[~found["unreadable"].to_numpy(bool), name], dataset.table["label"], name)
        st.plotly_chart(figure, config=widgets.CHART, key="distribution", alt=f"Distribution of {name} by class")


def distribution(values: pd.Series, labels: pd.Series, name: str) -> go.Figure:
    """Return the share of each class's patches in bins of a measure, as steps: tumour solid, normal dashed."""
    numbers = values.to_numpy(np.float64)
    label = labels.fillna(-1).to_numpy(np.int64)[values.index.to_numpy()]
    low, high = np.quantile(numbers, [0.001, 0.999]) if len(numbers) else (0.0, 1.0)
    edges = np.linspace(low, max(high, low + 1e-6), BINS + 1)
    figure = go.Figure()
    for number, words, dash in ((1, "tumour", "solid"), (0, "normal", "dash"), (-1, "no label", "dot")):
        of_class = numbers[label == number]
        if len(of_class):
            counts, _ = np.histogram(np.clip(of_class, edges[0], edges[-1]), edges)
            figure.add_scatter(
                x=edges[:-1], y=counts / len(of_class), mode="lines", name=f"{words} ({len(of_class):,})",
                line={"shape": "hv", "dash": dash, "color": MUTED if number < 0 else CLASS_COLOURS[number]},
                hovertemplate=f"{words}: %{{y:.1%}} from %{{x:.3g}}<extra></extra>",
            )  # fmt: skip
    figure.update_layout(height=260, margin={"l": 0, "r": 0, "t": 6, "b": 0}, legend={"orientation": "h", "y": 1.1})
    figure.update_xaxes(title=f"{name}: {MEANS[name]}")
    figure.update_yaxes(title="share of the class", tickformat=".0%")
    return figure
