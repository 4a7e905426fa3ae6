"""Predict: all tiles of a larger image, with the probability of each; a click on a tile shows its saliency map."""

import hashlib
from pathlib import PurePath

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.data import PATCH_SIZE
from core.display import CLASS_COLOURS, MUTED, to_png
from core.formatting import RESEARCH_ONLY, percent
from core.images.decode import Whole, shrink
from core.images.tiling import tiles
from core.prediction import Predictor
from core.prediction.batch import ScoredBatch
from core.prediction.region import RegionMap, map_about
from core.reports.batch import table_csv
from pages._ui import results, state, widgets
from pages._ui.predict import result
from pages._ui.predict.crop import Tiled
from pages._ui.predict.upload import Chosen

LAYERS = {"tiles": "Tiles", "map": "Map"}
SIDE = 1_400
"""Longest side of the overview in pixels."""

TALLEST = 760
"""Greatest height of the overview on the screen in pixels."""

_TILES_LEGEND = (
    "Solid red: called tumour, stronger for a higher probability. Dashed green: called normal. Dotted grey and ?: "
    "out-of-distribution, such as bare glass. Each probability is about the centre 32×32 of its tile; what is between "
    "the centres is context only."
)
_MAP_LEGEND = (
    "Red: called tumour, stronger for a higher probability of the patch around that place, one every 8 pixels. Places "
    "outside the grey frame are the centre of no patch and have no probability. Out-of-distribution tiles are not "
    "marked here; the text at the pointer is that of the nearest tile."
)


def draw(predictor: Predictor, tiled: Tiled) -> Chosen | None:
    """Draw the image with its tiles; return the tile that was clicked, at first the most suspicious one."""
    batch = results.tiles(predictor, tiled.name, tiled.whole)
    threshold = result.threshold(predictor)
    probabilities = np.array([file.probability for file in batch.files])
    unusual = np.array([bool(file.ood) for file in batch.files])
    _summary(batch, probabilities, unusual, threshold)
    region = _region(predictor, tiled, threshold)
    picture = hashlib.sha256(tiled.whole.pixels.tobytes()).hexdigest()[:12]
    clicked = _overview(tiled.whole, batch, probabilities, unusual, threshold, region=region, key=f"tiles-{picture}")
    # An out-of-distribution tile is not shown first, whatever its probability: that cannot be relied on.
    sure = np.where(unusual, -1.0, probabilities)
    position = int(np.argmax(sure)) if clicked is None else clicked
    file = batch.files[position]
    st.caption(
        f"Below: {'the tile with the highest probability' if clicked is None else 'the tile that you clicked'}, "
        f"{file.name}. Click another tile to see it."
    )
    return Chosen(file.name, tiles(tiled.whole)[position].decoded)


def _summary(batch: ScoredBatch, probabilities: np.ndarray, unusual: np.ndarray, threshold: float) -> None:
    called = (probabilities >= threshold) & ~unusual
    first, second, third, export = st.columns(4, vertical_alignment="center")
    first.metric("Tiles", f"{len(probabilities):,}")
    share = f"At the decision threshold of {threshold:.3f}, without out-of-distribution tiles."
    second.metric("Called tumour", f"{int(called.sum()):,}", help=share)
    meaning = "Blank glass, blurred, or unlike the training patches."
    third.metric("Out-of-distribution", f"{int(unusual.sum()):,}", help=meaning)
    widgets.export(
        "Export CSV", lambda: table_csv(batch, threshold=threshold), "tiles.csv", place=export,
        help=f"Place, probability, verdict and OOD warnings of every tile. {RESEARCH_ONLY}",
    )  # fmt: skip


def _region(predictor: Predictor, tiled: Tiled, threshold: float) -> RegionMap | None:
    """Draw the choice between tiles and map, where the model has one; return the map if it is wanted."""
    if not predictor.reads_regions:
        st.caption(
            ":material/info: This model predicts single patches. *nodescope-net* (in the sidebar) also draws a map "
            "without gaps between them."
        )
        return None
    choice, export = st.columns([3, 1], vertical_alignment="center")
    wanted = widgets.choice(
        "Show", LAYERS, key=state.TILES_LAYER, in_address=False, place=choice,
        help="Tiles: one probability for each square of 96×96. Map: one every 8 pixels.",
    )  # fmt: skip
    if wanted != "map":
        return None
    region = results.region(predictor, tiled.whole.pixels)
    choice.markdown(
        f"**{region.share(threshold):.1%}** of the places in the grey frame are called tumour at the threshold "
        f"{threshold:.3f}."
    )
    stem = PurePath(tiled.name).stem
    about = map_about(predictor.bundle, threshold)
    with export.popover("Export map", icon=":material/download:"):
        widgets.export(
            "Map as PNG", lambda: to_png(region.overlay(tiled.whole.pixels, threshold=threshold), about=about),
            f"{stem}-map.png", "image/png", help=RESEARCH_ONLY,
        )  # fmt: skip
        widgets.export("Probabilities as CSV", region.table, f"{stem}-map.csv", help=RESEARCH_ONLY)
    return region


def _overview(
    whole: Whole, batch: ScoredBatch, probabilities: np.ndarray, unusual: np.ndarray, threshold: float, *,
    region: RegionMap | None, key: str,
) -> int | None:  # fmt: skip
    width, height = whole.size
    shown = whole.pixels if region is None else region.overlay(whole.pixels, threshold=threshold)
    figure = go.Figure()
    verdicts = np.where(
        unusual, "out-of-distribution", np.where(probabilities >= threshold, "called tumour", "called normal")
    )
    if region is None:
        for file, probability, verdict in zip(batch.files, probabilities, verdicts, strict=True):
            _tile(figure, file.at or (0, 0), float(probability), str(verdict))
    corners = np.array([file.at or (0, 0) for file in batch.files])
    # Shapes and images take no clicks in plotly, so each tile has an invisible point in its centre.
    middles = corners + PATCH_SIZE / 2
    figure.add_scatter(
        x=middles[:, 0], y=middles[:, 1], mode="markers+text" if region is None and len(verdicts) <= 150 else "markers",
        marker={"size": 24, "opacity": 0, "symbol": "square"}, selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        text=["?" if odd else percent(each, digits=0) for each, odd in zip(probabilities, unusual, strict=True)],
        textfont={"size": 13, "color": "white", "shadow": "0 0 3px black, 0 0 3px black"},
        customdata=[
            f"Tile at {file.at}, its centre:<br>{verdict}, {percent(probability)}"
            for file, probability, verdict in zip(batch.files, probabilities, verdicts, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    clicked = widgets.picture_chart(
        figure, shrink(shown, side=SIDE), whole.size, widest=min(SIDE, round(TALLEST * width / height)), key=key,
        alt="The image with the probability of each tile",
    )  # fmt: skip
    st.caption(_TILES_LEGEND if region is None else _MAP_LEGEND)
    return clicked


def _tile(figure: go.Figure, at: tuple[int, int], probability: float, verdict: str) -> None:
    colour, dash, fill = {
        "called tumour": (CLASS_COLOURS[1], "solid", f"rgba(215,38,61,{0.05 + 0.25 * probability:.2f})"),
        "called normal": (CLASS_COLOURS[0], "dash", "rgba(0,0,0,0)"),
        "out-of-distribution": (MUTED, "dot", "rgba(0,0,0,0)"),
    }[verdict]
    x, y = at
    figure.add_shape(
        type="rect", x0=x + 2, y0=y + 2, x1=x + PATCH_SIZE - 2, y1=y + PATCH_SIZE - 2, fillcolor=fill,
        line={"color": colour, "width": 1.5, "dash": dash}, layer="between",
    )  # fmt: skip
