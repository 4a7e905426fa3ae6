"""Predict: all tiles of a larger picture. A probability on each, and any of them to be explained."""

import hashlib
from pathlib import PurePath

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.data import PATCH_SIZE
from core.display import CLASS_COLOURS, MUTED, to_png
from core.formatting import percent
from core.images.decode import Whole, shrink
from core.images.tiling import tiles
from core.prediction import Predictor
from core.prediction.batch import ScoredBatch
from core.prediction.region import RegionMap, map_about
from core.reports.batch import table_csv
from pages._ui import layout, results, state, widgets
from pages._ui.predict import result
from pages._ui.predict.crop import Tiled
from pages._ui.predict.upload import Chosen

LAYERS = {"tiles": "Tiles", "map": "Map"}
SIDE = 1_400
"""Longest side of the overview picture in pixels."""

TALLEST = 760
"""Pixels on the screen that it is high at most."""

_TILES_LEGEND = (
    "Solid red: called tumour, the stronger the higher its probability. Dashed green: called normal. Dotted grey "
    "and ?: doubtful, such as bare glass. Each answer is about the centre 32×32 of its tile; what lies between the "
    "centres was context only."
)
_MAP_LEGEND = (
    "Red: called tumour, the stronger the higher the probability of the patch around that place, one every 8 pixels. "
    "The border outside the grey frame is the middle of no patch and has no answer. Doubtful tiles are not "
    "marked here; the words beside the pointer are those of the nearest tile."
)


def draw(predictor: Predictor, tiled: Tiled) -> Chosen | None:
    """Draw the picture with its tiles; return the tile that was pressed, at first the most suspicious one."""
    batch = results.tiles(predictor, tiled.name, tiled.whole)
    line = result.threshold(predictor)
    probabilities = np.array([file.probability for file in batch.files])
    doubtful = np.array([bool(file.ood) for file in batch.files])
    _summary(batch, probabilities, doubtful, line)
    region = _region(predictor, tiled, line)
    picture = hashlib.sha256(tiled.whole.pixels.tobytes()).hexdigest()[:12]
    pressed = _overview(tiled.whole, batch, probabilities, doubtful, line, region=region, key=f"tiles-{picture}")
    sure = np.where(doubtful, -1.0, probabilities)
    position = int(np.argmax(sure)) if pressed is None else pressed
    file = batch.files[position]
    st.caption(
        f"Below: {'the tile with the highest probability' if pressed is None else 'the tile that you pressed'}, "
        f"{file.name}. Press another to see it."
    )
    return Chosen(file.name, tiles(tiled.whole)[position].decoded)


def _summary(batch: ScoredBatch, probabilities: np.ndarray, doubtful: np.ndarray, line: float) -> None:
    called = (probabilities >= line) & ~doubtful
    first, second, third, take = st.columns(4, vertical_alignment="center")
    first.metric("Tiles", f"{len(probabilities):,}")
    second.metric("Called tumour", f"{int(called.sum()):,}", help=f"From {line:.3f} on, without the doubtful ones")
    third.metric("Doubtful", f"{int(doubtful.sum()):,}", help="Blank glass, blurred, or unlike what the model knows")
    take.download_button(
        "Table as CSV", lambda: table_csv(batch, threshold=line), "tiles.csv", "text/csv", icon=":material/download:",
        on_click="ignore", help="Place, probability, verdict and doubts of every tile. " + layout.RESEARCH_ONLY,
    )  # fmt: skip


def _region(predictor: Predictor, tiled: Tiled, line: float) -> RegionMap | None:
    """Draw the choice between tiles and map, where the model has one; return the map if it is wanted."""
    if not predictor.reads_regions:
        st.caption(
            ":material/info: This model answers for single patches. *nodescope-net* (in the sidebar) also draws "
            "a map without gaps between them."
        )
        return None
    choice, take = st.columns([3, 1], vertical_alignment="center")
    wanted = choice.segmented_control(
        "Show", list(LAYERS), format_func=LAYERS.__getitem__, default="tiles", required=True, key=state.TILES_LAYER,
        persist_state="session", help="Tiles: one answer per square of 96×96. Map: an answer every 8 pixels.",
    )  # fmt: skip
    if wanted != "map":
        return None
    region = results.region(predictor, tiled.whole.pixels)
    choice.markdown(f"**{region.share(line):.1%}** of the places in the grey frame are called tumour at {line:.3f}.")
    stem = PurePath(tiled.name).stem
    about = map_about(predictor.bundle, line)
    with take.popover("Save the map", icon=":material/download:"):
        st.download_button(
            "Picture as PNG", lambda: to_png(region.overlay(tiled.whole.pixels, threshold=line), about=about),
            f"{stem}-map.png", "image/png", on_click="ignore", help=layout.RESEARCH_ONLY,
        )  # fmt: skip
        st.download_button(
            "Probabilities as CSV",
            region.table,
            f"{stem}-map.csv",
            "text/csv",
            on_click="ignore",
            help=layout.RESEARCH_ONLY,
        )
    return region


def _overview(
    whole: Whole, batch: ScoredBatch, probabilities: np.ndarray, doubtful: np.ndarray, line: float, *,
    region: RegionMap | None, key: str,
) -> int | None:  # fmt: skip
    width, height = whole.size
    shown = whole.pixels if region is None else region.overlay(whole.pixels, threshold=line)
    figure = go.Figure()
    words = np.where(doubtful, "doubtful", np.where(probabilities >= line, "called tumour", "called normal"))
    if region is None:
        for file, probability, word in zip(batch.files, probabilities, words, strict=True):
            _tile(figure, file.at or (0, 0), float(probability), str(word))
    corners = np.array([file.at or (0, 0) for file in batch.files])
    middles = corners + PATCH_SIZE / 2
    figure.add_scatter(
        x=middles[:, 0], y=middles[:, 1], mode="markers+text" if region is None and len(words) <= 150 else "markers",
        marker={"size": 24, "opacity": 0, "symbol": "square"}, selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        text=["?" if odd else percent(each, digits=0) for each, odd in zip(probabilities, doubtful, strict=True)],
        textfont={"size": 13, "color": "white", "shadow": "0 0 3px black, 0 0 3px black"},
        customdata=[
            f"Tile at {file.at}, its centre:<br>{word}, {percent(probability)}"
            for file, probability, word in zip(batch.files, probabilities, words, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    pressed = widgets.picture_chart(
        figure, shrink(shown, side=SIDE), whole.size, widest=min(SIDE, round(TALLEST * width / height)), key=key,
        alt="The picture with the probability of each tile",
    )  # fmt: skip
    st.caption(_TILES_LEGEND if region is None else _MAP_LEGEND)
    return pressed


def _tile(figure: go.Figure, at: tuple[int, int], probability: float, word: str) -> None:
    colour, dash, fill = {
        "called tumour": (CLASS_COLOURS[1], "solid", f"rgba(215,38,61,{0.05 + 0.25 * probability:.2f})"),
        "called normal": (CLASS_COLOURS[0], "dash", "rgba(0,0,0,0)"),
        "doubtful": (MUTED, "dot", "rgba(0,0,0,0)"),
    }[word]
    x, y = at
    figure.add_shape(
        type="rect", x0=x + 2, y0=y + 2, x1=x + PATCH_SIZE - 2, y1=y + PATCH_SIZE - 2, fillcolor=fill,
        line={"color": colour, "width": 1.5, "dash": dash}, layer="between",
    )  # fmt: skip
