"""Predict: all tiles of a larger image, or a map of it; a click on a tile shows its saliency map."""

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.data import PATCH_SIZE
from core.display import CLASS_COLOURS, MUTED, TUMOUR, jpeg_address, rgb, to_jpeg, to_png
from core.formatting import percent
from core.images.decode import Whole, shrink
from core.images.tiling import tiles
from core.prediction import Predictor
from core.prediction.batch import ScoredBatch
from core.prediction.region import ExaminedTile, RegionMap, map_about, map_json
from core.reports.batch import table_csv
from pages._ui import layout, results, state, widgets
from pages._ui.predict import result
from pages._ui.predict.crop import Tiled
from pages._ui.predict.exports import Exports
from pages._ui.predict.upload import Chosen

LAYERS = {"tiles": "Tiles", "map": "Map"}
SIDE = 1_400
"""Longest side of the overview in pixels."""

TALLEST = 760
"""Greatest height of the overview on the screen in pixels."""

_TUMOUR, _NORMAL, _UNUSUAL, _BARE = "called tumour", "called normal", "out-of-distribution", "no tissue"
_LINES = {_TUMOUR: (TUMOUR, "solid"), _NORMAL: (CLASS_COLOURS[0], "dash"), _UNUSUAL: ("#3A3A3A", "dot")}
_TILES_LEGEND = (
    "Solid red: called tumour, stronger for a higher probability. Dashed green: called normal. Dotted grey and ?: "
    "out-of-distribution; do not rely on it. No frame: no tissue in the centre. Each probability is about the centre "
    "32×32 of its tile; what is between the centres is context only."
)
_GROUND = "#E6C9DD"  # about the mean colour of H&E tissue, so that the bar shows the colours of the map


@dataclass(frozen=True, eq=False)
class _Found:
    """The tiles of an image: what was predicted, and which are out of distribution or have no tissue, bool (N,)."""

    batch: ScoredBatch
    probabilities: np.ndarray
    unusual: np.ndarray
    bare: np.ndarray

    def verdicts(self, threshold: float) -> np.ndarray:
        """Return a word for each tile."""
        called = np.where(self.probabilities >= threshold, _TUMOUR, _NORMAL)
        return np.where(self.bare, _BARE, np.where(self.unusual, _UNUSUAL, called))

    @property
    def first(self) -> int:
        """The tile with the highest probability that can be relied on; else with tissue; else of all."""
        return int(np.argmax(np.select([self.bare, self.unusual], [0, 2], 4) + self.probabilities))


def draw(
    predictor: Predictor, tiled: Tiled, left: DeltaGenerator, right: DeltaGenerator, exports: Exports
) -> Chosen | None:
    """Draw the image right and its numbers left; return the tile that was clicked, at first the most suspicious one."""
    with left:
        layer = widgets.choice(
            "Show", LAYERS, key=state.TILES_LAYER, in_address=False,
            help="Tiles: one probability for each square of 96×96. Map: no gaps between the centres, with "
            "*nodescope-net* one probability every 8 pixels, with other models one every 32.",
        )  # fmt: skip
        numbers = st.container()
        threshold = result.threshold(predictor)
        opacity = 0.6
        if layer == "map":
            opacity = st.slider("Opacity", 0.0, 1.0, opacity, 0.05, key=state.MAP_OPACITY, persist_state="session")
    with right, st.container():  # keeps a place for the bars of progress
        found = _found(predictor, tiled)
        region = _region(predictor, tiled, found) if layer == "map" else None
    with numbers:
        _summary(found, threshold, region)
    with right:
        picture = hashlib.sha256(tiled.whole.pixels.tobytes()).hexdigest()[:12]
        clicked = _overview(tiled.whole, found, threshold, region=region, opacity=opacity, key=f"tiles-{picture}")
        if region is None:
            st.caption(_TILES_LEGEND)
        else:
            _map_legend(region, threshold, opacity)
    _add_exports(exports, predictor, tiled, found, region, threshold, opacity)
    position = found.first if clicked is None else clicked
    file = found.batch.files[position]
    which = "the tile that you clicked" if clicked is not None else "the tile with the highest probability"
    right.caption(f"Below: {which}, {file.name}: {found.verdicts(threshold)[position]}. Click another tile to see it.")
    return Chosen(file.name, tiles(tiled.whole)[position].decoded)


def _found(predictor: Predictor, tiled: Tiled) -> _Found:
    batch = results.tiles(layout.predictor(), tiled.name, tiled.whole).calibrated_by(predictor.bundle)
    bare = results.bare_tiles(predictor, tiled.whole, [file.at or (0, 0) for file in batch.files])
    unusual = np.array([bool(file.ood) for file in batch.files]) & ~bare
    return _Found(batch, np.array([file.probability for file in batch.files]), unusual, bare)


def _region(predictor: Predictor, tiled: Tiled, found: _Found) -> RegionMap:
    """Return the map, with the OOD warnings of the tiles, which are known already."""
    examined = tuple(
        ExaminedTile(file.at or (0, 0), None if bare else file.ood)
        for file, bare in zip(found.batch.files, found.bare, strict=True)
    )
    return replace(results.region(predictor, tiled.whole.pixels), tiles=examined)


def _summary(found: _Found, threshold: float, region: RegionMap | None) -> None:
    verdicts = found.verdicts(threshold)
    with st.container(horizontal=True, gap="medium", key="numbers"):
        st.metric("Tiles", f"{len(verdicts):,}", width="content")
        share = f"At the decision threshold of {threshold:.3f}, without tiles that are out-of-distribution or bare."
        st.metric("Called tumour", f"{int((verdicts == _TUMOUR).sum()):,}", help=share, width="content")
        meaning = "Blurred, in unusual colours, or unlike the training patches."
        st.metric("Out-of-distribution", f"{int(found.unusual.sum()):,}", help=meaning, width="content")
        bare = "No tissue in the centre 32×32, such as glass or the inside of a fat cell: never called tumour."
        st.metric("No tissue", f"{int(found.bare.sum()):,}", help=bare, width="content")
    if region is not None:
        st.markdown(
            f"**{region.share(threshold):.1%}** of the tissue in the grey frame is called tumour at the threshold "
            f"{threshold:.3f}. {region.tissue_share():.1%} of the frame is tissue."
        )
    if found.unusual.sum() > (~found.bare).sum() / 2:
        st.warning(
            "Most of this tissue is unlike what the model was trained on, such as another organ or stain. Do not rely "
            "on the probabilities.", icon=":material/warning:",
        )  # fmt: skip


def _map_legend(region: RegionMap, threshold: float, opacity: float) -> None:
    """Draw the colour bar, and what the other marks mean."""
    red = ",".join(map(str, rgb(TUMOUR)))
    low, high = (f"rgba({red},{opacity * each:.3f})" for each in (threshold, 1))
    box = "display:inline-block;width:1.2em;height:.9em;margin-right:.4em;vertical-align:-.1em;box-sizing:border-box"
    middle = f'<span style="position:absolute;left:{threshold:.1%};transform:translateX(-50%)">{threshold:.0%}</span>'
    st.html(
        f'<div style="max-width:520px"><div role="img" aria-label="Colours of the map: none below the threshold, then '
        f'red" style="height:14px;border:1px solid {MUTED};background:linear-gradient(to right,transparent '
        f'{threshold:.1%},{low} {threshold:.1%},{high}),{_GROUND}"></div>'
        f'<div style="position:relative;height:1.4em;font-size:.8rem">'
        f"<span>0%</span>{middle if 0.06 < threshold < 0.92 else ''}"
        f'<span style="position:absolute;right:0">100%</span></div></div>'
        f'<div style="font-size:.85rem;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem">'
        f'<span><span style="{box};background:{_GROUND}"></span>called normal</span>'
        f'<span><span style="{box};background:#D8D8D7"></span>no tissue</span>'
        f'<span><span style="{box};border:2px dashed {MUTED}"></span>out-of-distribution tile: do not rely on it</span>'
        f"</div>"
    )
    st.caption(
        f"The probability of the patch around each place, one every {region.step} pixels. Outside the grey frame there "
        "is none: a patch would reach beyond the image."
    )


def _overview(
    whole: Whole, found: _Found, threshold: float, *, region: RegionMap | None, opacity: float, key: str
) -> int | None:
    """Draw the image with its tiles or its map; return the position of the clicked tile."""
    width, height = whole.size
    shown = whole.pixels
    if region is not None:  # the frames of tiles are drawn by the chart, as thin at any size of the image
        shown = replace(region, tiles=()).overlay(shown, threshold=threshold, opacity=opacity)
    figure = go.Figure()
    verdicts = found.verdicts(threshold)
    corners = np.array([file.at or (0, 0) for file in found.batch.files])
    for corner, probability, verdict in zip(corners.tolist(), found.probabilities, verdicts, strict=True):
        if region is None or verdict == _UNUSUAL:
            _tile(figure, corner, float(probability), str(verdict))
    # Shapes and images take no clicks in plotly, so each tile has an invisible point in its centre.
    middles = corners + PATCH_SIZE / 2
    marks = {_UNUSUAL: "?", _BARE: ""}
    figure.add_scatter(
        x=middles[:, 0], y=middles[:, 1], mode="markers+text" if region is None and len(verdicts) <= 150 else "markers",
        marker={"size": 24, "opacity": 0, "symbol": "square-open", "color": "white", "line": {"width": 3}},
        # The tile that was clicked is marked; the texts of the others stay as bright as they were.
        selected={"marker": {"opacity": 1, "size": 34}},
        unselected={"marker": {"opacity": 0}, "textfont": {"color": "white"}},
        text=[
            marks.get(verdict, percent(each, digits=0))
            for each, verdict in zip(found.probabilities, verdicts, strict=True)
        ],
        textfont={"size": 13, "color": "white", "shadow": "0 0 3px black, 0 0 3px black"},
        customdata=[
            f"Tile at {file.at}, its centre:<br>{verdict}" + ("" if verdict == _BARE else f", {percent(probability)}")
            for file, probability, verdict in zip(found.batch.files, found.probabilities, verdicts, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(hoverlabel={"bgcolor": "#232326", "bordercolor": "#232326", "font": {"color": "white"}})
    figure.add_layout_image(
        source=jpeg_address(to_jpeg(shrink(shown, side=SIDE))), x=0, y=0, sizex=width, sizey=height, xref="x", yref="y",
        sizing="stretch", layer="below",
    )  # fmt: skip
    axis = {"visible": False, "fixedrange": True, "constrain": "domain"}
    figure.update_xaxes(range=[0, width], constraintoward="left", **axis)
    figure.update_yaxes(range=[height, 0], constraintoward="top", scaleanchor="x", **axis)
    figure.update_layout(
        margin={"l": 0, "r": 0, "t": 0, "b": 0}, hoverdistance=60, clickmode="event+select", dragmode=False,
        showlegend=False, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    # The browser gives the chart the shape of the image at whatever width there is, so that nothing is left below.
    widest = min(SIDE, round(TALLEST * width / height))
    shape = f"aspect-ratio: {width} / {height}; max-width: {widest}px; overflow: hidden"
    st.html(f"<style>.st-key-picture-{key} {{ {shape} }}</style>")
    with st.container(key=f"picture-{key}", height="content"):
        event = st.plotly_chart(
            figure, key=key, height="stretch", on_select="rerun", selection_mode="points", config=widgets.CHART,
            theme=None, alt="The image with the probability of each tile",
        )  # fmt: skip
    points = event["selection"]["point_indices"] if event else []
    return int(points[0]) if points else None


def _tile(figure: go.Figure, at: tuple[int, int], probability: float, verdict: str) -> None:
    if verdict == _BARE:
        return
    colour, dash = _LINES[verdict]
    red = ",".join(map(str, rgb(TUMOUR)))
    fill = f"rgba({red},{0.05 + 0.25 * probability:.2f})" if verdict == _TUMOUR else "rgba(0,0,0,0)"
    x, y = at
    figure.add_shape(
        type="rect", x0=x + 2, y0=y + 2, x1=x + PATCH_SIZE - 2, y1=y + PATCH_SIZE - 2, fillcolor=fill,
        line={"color": colour, "width": 1.5, "dash": dash}, layer="between",
    )  # fmt: skip


def _add_exports(
    exports: Exports,
    predictor: Predictor,
    tiled: Tiled,
    found: _Found,
    region: RegionMap | None,
    threshold: float,
    opacity: float,
) -> None:
    exports.add(
        "All tiles as CSV", lambda: table_csv(found.batch, threshold=threshold), "tiles.csv",
        help="Place, probability, verdict and OOD warnings of every tile.",
    )  # fmt: skip
    if region is None:
        return
    stem = PurePath(tiled.name).stem
    bundle, pixels = predictor.bundle, tiled.whole.pixels

    def picture() -> bytes:
        drawn = region.overlay(pixels, threshold=threshold, opacity=opacity)
        return to_png(drawn, about=map_about(bundle, threshold, region))

    exports.add("Map as picture", picture, f"{stem}-map.png", "image/png", icon="image")
    exports.add("Map as CSV", region.table, f"{stem}-map.csv", help="Probability, tissue and OOD of every place.")
    exports.add(
        "Map as JSON", partial(map_json, bundle, threshold, region), f"{stem}-map.json", "application/json",
        icon="data_object", help="The grid with probability and tissue, and each tile with its OOD score.",
    )  # fmt: skip
