"""The charts of a split: its slides and its stains."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from core.data import SPLITS
from core.display import SERIES
from core.reports.chart_theme import empty_chart
from pages._ui.browse.columns import SPLIT_NAMES

HEIGHT = 300
MOST_SLIDES = 300
MOST_POINTS = 1000
COLOURS = {"train": SERIES[0], "valid": SERIES[1], "test": SERIES[3]}
SYMBOLS = {"train": "circle", "valid": "diamond", "test": "x"}
PATTERNS = {"train": "", "valid": "/", "test": "x"}


def colours(table: pd.DataFrame) -> go.Figure:
    """Return eosin over haematoxylin, a dot for each of at most 1,000 patches of a split, and the means."""
    figure = empty_chart(
        x="haematoxylin, mean optical density", y="eosin, mean optical density", height=HEIGHT, legend="above",
        zoom=True, margin={"r": 0},
    )  # fmt: skip
    for split in SPLITS:
        here = table[table["split"] == split]
        some = here.sample(min(len(here), MOST_POINTS), random_state=0)
        figure.add_scattergl(
            x=some["haematoxylin"], y=some["eosin"], mode="markers", hoverinfo="skip", showlegend=False,
            marker={"color": COLOURS[split], "size": 4, "opacity": 0.35},
        )  # fmt: skip
    for split in SPLITS:
        here = table[table["split"] == split]
        if len(here):
            figure.add_scattergl(  # as the dots, or these could cover it
                x=[here["haematoxylin"].mean()], y=[here["eosin"].mean()], mode="markers", name=SPLIT_NAMES[split],
                marker={"color": COLOURS[split], "symbol": SYMBOLS[split], "size": 15,
                        "line": {"color": "white", "width": 2}},
                hovertemplate=f"{SPLIT_NAMES[split]}: mean haematoxylin %{{x:.3f}}, eosin %{{y:.3f}}<extra></extra>",
            )  # fmt: skip
    return figure.update_xaxes(range=_range(table["haematoxylin"])).update_yaxes(range=_range(table["eosin"]))


def _range(values: pd.Series) -> list[float]:
    """Return the ends of an axis, without the outermost patches: they would squeeze the others together."""
    low, high = np.quantile(values.to_numpy(np.float64), [0.005, 0.995]) if len(values) else (0.0, 1.0)
    space = max(0.15 * float(high - low), 0.05)
    return [float(low) - space, float(high) + space]


def slides(names: npt.NDArray[np.object_], assigned: npt.NDArray[np.str_]) -> tuple[go.Figure, int]:
    """Return a bar for each slide, divided by split; and how many slides, the smallest ones, are not shown."""
    labelled = assigned != ""
    counts = pd.crosstab(names[labelled], assigned[labelled]).reindex(columns=list(SPLITS), fill_value=0)
    largest = counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index].head(MOST_SLIDES)
    # Slides of one split are neighbours, so that a slide in two splits catches the eye.
    shown = largest.iloc[np.argsort(np.argmax(largest.to_numpy(), axis=1), kind="stable")]
    figure = empty_chart(y="patches", height=220, legend="above", zoom=True, barmode="stack", margin={"r": 0})
    for split in SPLITS:
        figure.add_bar(
            x=shown.index.astype(str), y=shown[split], name=SPLIT_NAMES[split], marker_color=COLOURS[split],
            marker_pattern_shape=PATTERNS[split],
            hovertemplate=f"%{{x}}: %{{y:,}} in {SPLIT_NAMES[split]}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(showticklabels=len(shown) <= 60, tickangle=-60, type="category")
    return figure, len(counts) - len(shown)
