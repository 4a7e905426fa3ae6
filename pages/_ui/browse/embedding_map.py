"""Browse: the patches as points on a map, near each other where they look alike to the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
import streamlit as st

from core.bundle.bundle import Bundle
from core.data import Dataset
from core.display import CLASS_COLOURS, MUTED, SERIES
from core.features.embedding import MOST, NO_UMAP, Embedding, embedding_path, has_umap, load_embedding
from core.job import Job
from pages._ui import jobs, layout, state
from pages._ui.browse import basket, detail, grid, model
from pages._ui.browse.columns import PatchColumns, patch_columns

METHODS = {"pca": "PCA", "umap": "UMAP"}
COLOURS = {"label": "Label", "part": "Part", "slide": "Slide", "error": "Model's error"}
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star", "hexagon")
VERDICTS = {
    "right": (MUTED, "circle"),
    "false positive": (SERIES[1], "triangle-up"),
    "false negative": (SERIES[0], "diamond"),
    "not predicted": (SERIES[3], "x"),
}
"""Colour and symbol of what the model made of a patch."""

COLUMNS, PER_PAGE = 15, 60
HEIGHT = 560


@dataclass(frozen=True, eq=False)
class Group:
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
    """Draw the map, and below it the patches that are inside what was drawn around them."""
    predictor = layout.predictor()
    bundle = predictor.bundle
    embedding = _stored(dataset, bundle)
    job = Job(embedding_path(dataset.source, bundle).with_suffix(".job"))
    command = ["embed", "--data", dataset.source, "--bundle", str(layout.bundle_path()), "--device", layout.device()]
    if embedding is None:
        _empty(dataset, job, command)
        return
    known = patch_columns(dataset)
    method, colour = _controls(known)
    if method == "umap" and embedding.umap is None:
        _no_umap(job, command)
        return
    rows = known.fixed.index.get_indexer(embedding.ids)
    here = rows >= 0
    points = embedding.components[:, :2] if method == "pca" or embedding.umap is None else embedding.umap
    chosen = _figure(known, embedding, rows[here].astype(np.int64), points[here], method=method, colour=colour)
    _selection(known, chosen)


def _empty(dataset: Dataset, job: Job, command: list[str]) -> None:
    count = min(len(dataset), MOST)
    drawn = f" Of {len(dataset):,} patches {MOST:,} are drawn, so that each class keeps its share."
    st.info(
        "The map puts patches near each other that look alike to the sidebar's model: clusters, outliers and labels "
        f"that do not fit their surroundings stand out.{drawn if count < len(dataset) else ''} It is made once, in the "
        f"background; {count:,} patches take about {max(5, count // 200):,} seconds on a laptop."
    )
    jobs.draw(job, command, label="Make the map", doing="Reading features")


def _no_umap(job: Job, command: list[str]) -> None:
    if not has_umap():
        st.info(f"{NO_UMAP}, where Nodescope runs, and come back. PCA needs nothing.")
        return
    st.caption(
        "UMAP keeps patches together that are alike, where PCA only turns the whole cloud. It takes about a minute."
    )
    jobs.draw(job, [*command, "--umap"], label="Make it", doing="UMAP", can_stop=False)


def _controls(known: PatchColumns) -> tuple[str, str]:
    colours = [name for name in COLOURS if name != "slide" or known.fixed.slide_names]
    if st.session_state.get(state.MAP_COLOUR, "label") not in colours:
        st.session_state[state.MAP_COLOUR] = "label"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = st.segmented_control(
            "Map", list(METHODS), format_func=METHODS.__getitem__, default="pca", key=state.MAP_BY, bind="query-params",
            required=True, help="PCA: the two directions in which the features vary most. UMAP: keeps neighbours "
            "together; distances between clusters mean little.",
        )  # fmt: skip
        colour = st.segmented_control(
            "Colour", colours, format_func=COLOURS.__getitem__, default="label", key=state.MAP_COLOUR,
            bind="query-params", required=True,
        )  # fmt: skip
    return str(method or "pca"), str(colour or "label")


def _figure(
    known: PatchColumns,
    embedding: Embedding,
    rows: npt.NDArray[np.int64],
    points: npt.NDArray[np.float32],
    *,
    method: str,
    colour: str,
) -> npt.NDArray[np.int64]:
    """Draw the map and return the rows that are selected."""
    groups = groups_of(known, rows, colour)
    drawn = f"{len(rows):,} of {embedding.patches:,} patches, drawn so that each class in each part keeps its share"
    words = drawn if len(embedding.ids) < embedding.patches else f"{len(rows):,} patches"
    variance = f"; PCA shows {embedding.explained[:2].sum():.0%} of their variance" if method == "pca" else ""
    st.caption(
        f"{words} · {embedding.description}{variance}. Draw around points with the lasso, or a box, to see them below."
    )
    if colour == "error" and known.predicted is None:
        st.info("The model has not predicted these patches yet: have them predicted under Patches, then come back.")
    event = st.plotly_chart(
        figure(known, rows, points, groups), key=f"map-{method}-{colour}", on_select="rerun",
        selection_mode=("lasso", "box", "points"), config={"displaylogo": False, "scrollZoom": True},
        alt="Map of patches",
    )  # fmt: skip
    return selected(event["selection"]["points"] if event else [], groups, rows)


def selected(
    points: Sequence[Mapping[str, Any]], groups: Sequence[Group], rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the rows of the points that the browser says are selected, each by its trace and its place in it."""
    found = [groups[each["curve_number"]].at[each["point_index"]] for each in points]
    return rows[np.sort(np.array(found, np.int64))]


def figure(
    known: PatchColumns, rows: npt.NDArray[np.int64], points: npt.NDArray[np.float32], groups: list[Group]
) -> go.Figure:
    """Return the map, drawn by the graphics card: one trace for each group."""
    ids = known.fixed.ids[rows]
    chart = go.Figure()
    for group in groups:
        told = [f"{ids[at]}<br>{known.label_words(int(rows[at]))}" for at in group.at]
        chart.add_scattergl(
            x=points[group.at, 0], y=points[group.at, 1], mode="markers", name=f"{group.name} ({len(group.at):,})",
            text=told, hovertemplate="%{text}<extra></extra>",
            marker={"size": 6, "color": group.colour, "symbol": group.symbol, "opacity": 0.75},
            unselected={"marker": {"opacity": 0.12}},
        )  # fmt: skip
    chart.update_layout(
        height=HEIGHT, dragmode="lasso", margin={"l": 0, "r": 0, "t": 8, "b": 0}, uirevision="map",
        legend={"itemsizing": "constant", "orientation": "h", "y": -0.02, "yanchor": "top", "x": 0},
    )  # fmt: skip
    chart.update_xaxes(visible=False)
    chart.update_yaxes(visible=False, scaleanchor="x")
    return chart


def groups_of(known: PatchColumns, rows: npt.NDArray[np.int64], colour: str) -> list[Group]:
    """Return the points by what they are coloured by; colour and symbol together name a group."""
    fixed, label = known.fixed, known.fixed.label[rows]
    if colour == "label":
        appearance = ((1, "tumour", CLASS_COLOURS[1], "diamond"), (0, "normal", CLASS_COLOURS[0], "circle"),
                 (-1, "no label", MUTED, "x"))  # fmt: skip
        named = [(name, label == value, tone, symbol) for value, name, tone, symbol in appearance]
    elif colour == "error":
        verdicts = _verdicts(known, rows)
        named = [(name, verdicts == name, *look) for name, look in VERDICTS.items()]
    else:
        codes, names = (fixed.part, fixed.part_names) if colour == "part" else (fixed.slide, fixed.slide_names)
        named = [(name, codes[rows] == code, *_look(code, len(names))) for code, name in enumerate(names)]
        named.append(("not known", codes[rows] < 0, MUTED, "x"))
    return [Group(name, np.flatnonzero(mask), tone, symbol) for name, mask, tone, symbol in named if mask.any()]


def _look(code: int, count: int) -> tuple[str, str]:
    """Return colour and symbol of a group; of many, several share a colour and differ in the symbol."""
    tones = len(SERIES) - 1  # the last one is the grey of what is not known
    return SERIES[code % tones], SYMBOLS[(code if count <= tones else code // tones) % len(SYMBOLS)]


def _verdicts(known: PatchColumns, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    predicted = known.predicted
    if predicted is None:
        return np.full(len(rows), "not predicted", object)
    words = [model.verdict(predicted, int(row)) if predicted.label[row] >= 0 else "not predicted" for row in rows]
    return np.array(words, object)


def _selection(known: PatchColumns, rows: npt.NDArray[np.int64]) -> None:
    if not len(rows):
        st.caption("Nothing is selected. A double click on the map lets a selection go.")
        order = rows
    else:
        label = known.fixed.label[rows]
        pages = max(1, -(-len(rows) // PER_PAGE))
        if state.MAP_PAGE in st.session_state:
            st.session_state[state.MAP_PAGE] = min(max(1, int(st.session_state[state.MAP_PAGE])), pages)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            tumour, normal = int((label == 1).sum()), int((label == 0).sum())
            st.markdown(f"**{len(rows):,} inside**: {tumour:,} tumour, {normal:,} normal", width="content")
            page = int(st.number_input("Page", 1, pages, key=state.MAP_PAGE, width=140))
            basket.draw_put(known.dataset, rows[(page - 1) * PER_PAGE : page * PER_PAGE], rows)
        grid.gallery(known, rows[(page - 1) * PER_PAGE : page * PER_PAGE], columns=COLUMNS, key="inside")
        order = rows
    basket.draw(known)
    row = detail.opened(known)
    if row is not None:
        detail.draw(known, order if row in order else np.array([row]), per_page=PER_PAGE, page_key=state.MAP_PAGE)


def _stored(dataset: Dataset, bundle: Bundle) -> Embedding | None:
    path = embedding_path(dataset.source, bundle)
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _load(str(path), stamp, dataset.files, _dataset=dataset, _bundle=bundle)


@st.cache_resource(show_spinner=False, max_entries=4)
def _load(path: str, stamp: int, files: str, _dataset: Dataset, _bundle: Bundle) -> Embedding | None:  # noqa: ARG001
    return load_embedding(_dataset, _bundle)
