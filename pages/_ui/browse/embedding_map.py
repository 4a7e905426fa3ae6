"""Browse: the patches as points on a map; those that look alike to the model are close together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
import streamlit as st
from plotly.colors import sample_colorscale

from core.bundle.bundle import Bundle
from core.data import Dataset
from core.data.dataset import GROUPS
from core.display import CLASS_COLOURS, MUTED, SERIES
from core.features.embedding import MOST, NO_UMAP, Embedding, embedding_path, has_umap, load_embedding
from core.formatting import duration
from core.job import Job
from core.prediction import Predictor
from core.reports.chart_theme import empty_chart
from pages._ui import cache, jobs, layout, state, widgets
from pages._ui.browse import basket, detail, grid
from pages._ui.browse.columns import Group, PatchColumns, patch_columns

METHODS = {"pca": "PCA", "umap": "UMAP"}
COLOURS = {"label": "Label", "split": "Split", "slide": "Slide", "patient": "Patient", "centre": "Centre",
           "error": "Model's error", "probability": "Probability", "flag": "Quality", "tag": "Tag"}  # fmt: skip
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star", "hexagon")
VERDICTS = {
    "right": (MUTED, "circle"),
    "false positive": (SERIES[1], "triangle-up"),
    "false negative": (SERIES[0], "diamond"),
    "not predicted": (SERIES[3], "x"),
}
"""Colour and symbol by how the model judged a patch."""

STEPS = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)
"""Ends of the groups of a map by probability."""

PER_PAGE = 60
HEIGHT = 560


@dataclass(frozen=True, eq=False)
class Points:
    """Points that look the same.

    Attributes:
        name: in the legend.
        at: int64 (m,), positions among the points.
        colour: of the points.
        symbol: of the points.
    """

    name: str
    at: npt.NDArray[np.int64]
    colour: str
    symbol: str


def draw(dataset: Dataset) -> None:
    """Draw the map, and below it the patches that were selected on it."""
    predictor = layout.predictor()
    bundle = predictor.bundle
    embedding = _stored(dataset, bundle)
    job = Job(embedding_path(dataset.source, bundle).with_suffix(".job"))
    command = ["embed", "--data", dataset.source, "--bundle", str(layout.bundle_path()), "--device", layout.device()]
    if embedding is None:
        _empty(dataset, predictor, job, command)
        return
    patches = patch_columns(dataset)
    method, colour = _controls(patches)
    if method == "umap" and embedding.umap is None:
        _no_umap(job, command)
        return
    rows = patches.fixed.index.get_indexer(embedding.ids)
    here = rows >= 0
    points = embedding.components[:, :2] if method == "pca" or embedding.umap is None else embedding.umap
    chosen = _figure(patches, embedding, rows[here].astype(np.int64), points[here], method=method, colour=colour)
    _selection(patches, chosen)


def _empty(dataset: Dataset, predictor: Predictor, job: Job, command: list[str]) -> None:
    count = min(len(dataset), MOST)
    sampled = f" It shows {MOST:,} of the {len(dataset):,} patches, sampled so that each class keeps its share."
    st.info(
        "The map places patches close together that look alike to the model in the sidebar. Clusters, outliers and "
        f"labels that do not fit their neighbours stand out.{sampled if count < len(dataset) else ''} It is made once, "
        f"in the background; {count:,} patches take about {duration(jobs.estimate(predictor, count))} on this computer."
    )
    jobs.draw(job, command, label="Make the map", doing="Reading features")


def _no_umap(job: Job, command: list[str]) -> None:
    if not has_umap():
        st.info(f"{NO_UMAP} on the computer that runs Nodescope, then come back. PCA needs no installation.")
        return
    st.caption("UMAP keeps similar patches together; PCA only rotates the whole cloud. UMAP takes about a minute.")
    jobs.draw(job, [*command, "--umap"], label="Make the UMAP", doing="UMAP", can_stop=False)


def _controls(patches: PatchColumns) -> tuple[str, str]:
    missing: dict[str, bool] = {group: group not in patches.fixed.groups for group in GROUPS}
    missing |= {"flag": not patches.flags, "tag": not patches.tags}
    colours = [name for name in COLOURS if not missing.get(name)]
    # "slide" may come from a link, or from a data set whose slides are known.
    if st.session_state.get(state.MAP_COLOUR, "label") not in colours:
        st.session_state[state.MAP_COLOUR] = "label"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = widgets.choice(
            "Map", METHODS, key=state.MAP_BY,
            help="PCA shows the two directions in which the features vary most. UMAP keeps neighbours together; "
            "distances between clusters mean little.",
        )  # fmt: skip
        colour = widgets.choice("Colour", {name: COLOURS[name] for name in colours}, key=state.MAP_COLOUR)
    return method, colour


def _figure(
    patches: PatchColumns,
    embedding: Embedding,
    rows: npt.NDArray[np.int64],
    points: npt.NDArray[np.float32],
    *,
    method: str,
    colour: str,
) -> npt.NDArray[np.int64]:
    """Draw the map and return the rows that are selected."""
    groups = groups_of(patches, rows, colour)
    sampled = (
        f"{len(rows):,} of {embedding.patches:,} patches, sampled so that every class of every split keeps its share"
    )
    shown = sampled if len(embedding.ids) < embedding.patches else f"{len(rows):,} patches"
    variance = f"; PCA shows {embedding.explained[:2].sum():.0%} of their variance" if method == "pca" else ""
    st.caption(
        f"{shown} · {embedding.description}{variance}. Select points with the lasso or the box to see them below."
    )
    if colour in ("error", "probability") and patches.predicted is None:
        st.info("The model has not predicted these patches yet. Predict them under Patches, then come back.")
    # A selection names traces and positions, which are other points under another method or colour: hence their keys.
    event = st.plotly_chart(
        figure(patches, rows, points, groups), key=f"map-{method}-{colour}", on_select="rerun",
        selection_mode=("lasso", "box", "points"), config={"displaylogo": False, "scrollZoom": True},
        alt="Map of patches",
    )  # fmt: skip
    return selected(event["selection"]["points"] if event else [], groups, rows)


def selected(
    points: Sequence[Mapping[str, Any]], groups: Sequence[Points], rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the rows of the points that are selected in the browser, each given by its trace and its position."""
    found = [groups[each["curve_number"]].at[each["point_index"]] for each in points]
    # With the type, because an empty list becomes an array of floats, which cannot index.
    return rows[np.sort(np.array(found, np.int64))]


def figure(
    patches: PatchColumns, rows: npt.NDArray[np.int64], points: npt.NDArray[np.float32], groups: list[Points]
) -> go.Figure:
    """Return the map, drawn by the graphics card: one trace for each group."""
    ids = patches.fixed.ids[rows]
    chart = empty_chart(
        height=HEIGHT, legend="below", zoom=True, dragmode="lasso", uirevision="map", margin={"r": 0},
    )  # fmt: skip
    for group in groups:
        texts = [f"{ids[at]}<br>{patches.label_words(int(rows[at]))}" for at in group.at]
        chart.add_scattergl(
            x=points[group.at, 0], y=points[group.at, 1], mode="markers", name=f"{group.name} ({len(group.at):,})",
            text=texts, hovertemplate="%{text}<extra></extra>",
            marker={"size": 6, "color": group.colour, "symbol": group.symbol, "opacity": 0.75},
            unselected={"marker": {"opacity": 0.12}},
        )  # fmt: skip
    # Many slides make a legend of many lines, so that it hangs below the map instead of standing on the lower edge.
    chart.update_layout(legend={"itemsizing": "constant", "yref": "paper", "y": -0.02, "yanchor": "top"})
    return chart.update_xaxes(visible=False).update_yaxes(visible=False, scaleanchor="x")


def groups_of(patches: PatchColumns, rows: npt.NDArray[np.int64], colour: str) -> list[Points]:
    """Return the points in groups, each with its own pair of colour and symbol."""
    fixed, label = patches.fixed, patches.fixed.label[rows]
    if colour == "label":
        appearance = ((1, "tumour", CLASS_COLOURS[1], "diamond"), (0, "normal", CLASS_COLOURS[0], "circle"),
                 (-1, "no label", MUTED, "x"))  # fmt: skip
        named = [(name, label == value, tone, symbol) for value, name, tone, symbol in appearance]
    elif colour == "error":
        verdicts = (
            np.full(len(rows), "not predicted") if patches.predicted is None else patches.predicted.verdicts[rows]
        )
        named = [(name, verdicts == name, *appearance) for name, appearance in VERDICTS.items()]
    elif colour == "probability":
        named = _by_probability(patches, rows)
    elif colour in ("flag", "tag"):
        named = _by_mark(patches.flags if colour == "flag" else patches.tags, rows, none=f"no {colour}")
    else:
        group = Group(fixed.split, fixed.split_names) if colour == "split" else fixed.groups[colour]
        codes, names = group.codes, group.names
        named = [(name, codes[rows] == code, *_appearance(code, len(names))) for code, name in enumerate(names)]
        named.append(("unknown", codes[rows] < 0, MUTED, "x"))
    return [Points(name, np.flatnonzero(mask), tone, symbol) for name, mask, tone, symbol in named if mask.any()]


Named = list[tuple[str, npt.NDArray[np.bool_], str, str]]
"""Name, mask among the points, colour and symbol of each group."""


def _by_probability(patches: PatchColumns, rows: npt.NDArray[np.int64]) -> Named:
    if patches.predicted is None:
        return [("not predicted", np.ones(len(rows), bool), *VERDICTS["not predicted"])]
    probability = patches.predicted.probability[rows]
    tones = sample_colorscale("Viridis", list(np.linspace(0, 1, len(STEPS) - 1)))
    named = [
        (f"{low:.0%} to {high:.0%}", (probability >= low) & ((probability < high) | (high == 1)), tone, "circle")
        for (low, high), tone in zip(pairwise(STEPS), tones, strict=True)
    ]
    return [*named, ("not predicted", ~np.isfinite(probability), *VERDICTS["not predicted"])]


def _by_mark(marks: Mapping[str, npt.NDArray[np.bool_]], rows: npt.NDArray[np.int64], *, none: str) -> Named:
    """Return a group for each mark, of which a patch may have several: it stands in the group of its first one."""
    rest, named = np.ones(len(rows), bool), []
    for code, (name, marked) in enumerate(marks.items()):
        named.append((name, marked[rows] & rest, *_appearance(code, len(marks))))
        rest &= ~marked[rows]
    return [*named, (none, rest, MUTED, "x")]


def _appearance(code: int, count: int) -> tuple[str, str]:
    """Return colour and symbol of a group; of many groups, several share a colour and differ in the symbol."""
    tones = len(SERIES) - 1  # the last one is the grey of "unknown"
    return SERIES[code % tones], SYMBOLS[(code if count <= tones else code // tones) % len(SYMBOLS)]


def _selection(patches: PatchColumns, rows: npt.NDArray[np.int64]) -> None:
    if len(rows):
        label = patches.fixed.label[rows]
        with st.container(horizontal=True, vertical_alignment="bottom"):
            tumour, normal = int((label == 1).sum()), int((label == 0).sum())
            st.markdown(f"**{len(rows):,} selected**: {tumour:,} tumour, {normal:,} normal", width="content")
            page = widgets.page_number(state.MAP_PAGE, -(-len(rows) // PER_PAGE))
            shown = rows[(page - 1) * PER_PAGE : page * PER_PAGE]
            basket.draw_add(patches.dataset, shown, rows)
        grid.draw_gallery(patches, shown, name="Selected on the map", key="inside")
    else:
        st.caption("Nothing is selected. A double click on the map clears a selection.")
    basket.draw(patches)
    detail.draw(patches, [rows], per_page=PER_PAGE, page_key=state.MAP_PAGE)


def _stored(dataset: Dataset, bundle: Bundle) -> Embedding | None:
    path = embedding_path(dataset.source, bundle)
    key = (path, cache.file_stamp(path), dataset.files)
    return cache.recall("embedding", key, lambda: load_embedding(dataset, bundle), most=4)
