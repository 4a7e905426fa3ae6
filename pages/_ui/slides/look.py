"""Slides: one slide, its map and areas over it, the patch that was clicked, and what can be exported."""

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from core.errors import NodescopeError
from core.formatting import percent, printable
from core.images.decode import DecodedPatch
from core.images.mpp import LEAST_MPP
from core.images.patch import MICROMETRES_PER_PIXEL, PATCH_SIZE
from core.images.tiling import COARSEST
from core.prediction import Predictor
from core.reports.slide import heat_overlay
from core.slides.analyse import overview
from core.slides.folders import annotations_of
from core.slides.measures import Measures, Rule, measure
from core.slides.openseadragon import fetch_openseadragon, openseadragon
from core.slides.reader import BY_OPTION, Slide
from core.slides.slide_map import FILE, SlideMap
from pages._ui import cache, layout, results, state, widgets
from pages._ui.component import sent
from pages._ui.predict import patch, result
from pages._ui.predict.exports import Exports
from pages._ui.predict.upload import Chosen
from pages._ui.slides.opened import Opened, open_token, opened_slide
from pages._ui.slides.table import Listing, close_slide, go_to, open_slide
from pages._ui.slides.viewer.component import View, viewer

Place = tuple[tuple[int, int], tuple[float, float, float]]

EXPORTS = {
    "areas.geojson": ("Areas for QuPath (GeoJSON)", "application/geo+json"),
    "foci.csv": ("Foci (CSV)", "text/csv"),
    "summary.json": ("Measures (JSON)", "application/json"),
    "map.npz": ("Map (NumPy)", "application/octet-stream"),
    "report.html": ("Report (HTML)", "text/html"),
}


def draw(listing: Listing, path: Path, *, back_to: str) -> None:
    """Draw a slide and what is known of it; `back_to` names the view that chose it."""
    folder = listing.results.folder(path)
    summary = listing.results.summary(path) or {}
    _draw_title(listing, path, folder, back_to)
    slide = opened_slide(path)
    found, measured = _measured(listing, folder, summary.get("threshold"))
    with st.container():  # a warning that comes must not move the viewer, which would be built anew
        _draw_measures(summary)
        _ask_for_mpp(listing, slide)
    left, right = st.columns([7, 4], gap="medium")
    place = _place(listing, slide, found)
    with left:
        _draw_viewer(listing, slide, path, found, measured, place)
    with right:
        if place is None:
            if openseadragon() is not None and _mpp(listing, slide) is not None:
                st.caption("Click a place on the slide to see what the model says of that patch, and why.")
            _draw_foci(measured, path)
        else:
            st.button("Back to the foci", icon=":material/arrow_back:", on_click=_close_patch)
            if measured is not None:
                st.caption(
                    "The verdict is that of a single patch. On slides tumour is rare, so that areas begin at "
                    f"{measured.rule.threshold:.3f} and need {max(measured.rule.peak, measured.rule.threshold):.3f} "
                    "within."
                )
            _draw_patch(listing, slide, path, found, place)


def _draw_title(listing: Listing, path: Path, folder: Path, back_to: str) -> None:
    """Draw the row that goes back, names the slide and goes to its neighbours."""
    row = st.container(horizontal=True, vertical_alignment="center")
    row.button(back_to, icon=":material/arrow_back:", on_click=close_slide, help="Back to what chose the slide")
    row.subheader(printable(path.name), anchor=False, width="content")
    at = listing.slides.index(path)
    for step, icon, word in ((-1, "chevron_left", "Previous slide"), (1, "chevron_right", "Next slide")):
        there = 0 <= at + step < len(listing.slides)
        row.button(word, icon=f":material/{icon}:", disabled=not there, on_click=open_slide, type="tertiary",
                   args=(listing.slides[at + step].name,) if there else ())  # fmt: skip
    _draw_exports(row, folder, path)


def _measured(listing: Listing, folder: Path, threshold: float | None) -> tuple[SlideMap | None, Measures | None]:
    """Return the map of a slide and its measures, worked out once while the map is the same; None where it has none."""

    def make() -> tuple[SlideMap | None, Measures | None]:
        found = SlideMap.load(folder)
        card = listing.predictor.bundle.card
        return found, None if found is None else measure(found, Rule.of(card, threshold))

    key = (folder, cache.file_stamp(folder / FILE), listing.predictor.bundle.digest, threshold)
    return cache.recall("slide measures", key, make, most=8)


def _draw_viewer(
    listing: Listing, slide: Slide, path: Path, found: SlideMap | None, measured: Measures | None, place: Place | None
) -> None:
    if openseadragon() is None:
        st.info(
            "Slides are moved by OpenSeadragon, a script of 0.3 MB that is not here yet. It is fetched once, from the "
            "npm registry, and its hash is checked; nothing else is loaded from elsewhere.",
            icon=":material/download:",
        )
        st.button("Fetch OpenSeadragon", type="primary", on_click=layout.attempt, args=(fetch_openseadragon,))
        still = overview(slide, 1400)
        if found is not None and measured is not None:
            still = heat_overlay(still, found, measured, slide.size[0])
        st.image(still, width="stretch")
        return
    drawn = annotations_of(path)
    version = "-".join(str(each.stat().st_mtime_ns) for each in (listing.results.folder(path) / "map.npz", drawn)
                       if each is not None and each.is_file())  # fmt: skip
    view = View(
        slide=slide,
        token=open_token(Opened(path, listing.results.folder(path), drawn)),
        mpp=_mpp(listing, slide),
        found=found,
        version=version,
        threshold=0.5 if measured is None else measured.rule.threshold,
        foci=[] if measured is None else [(*focus.at, focus.probability) for focus in measured.foci],
        has_annotations=drawn is not None,
        at=st.query_params.get(state.AT, ""),
        patch=None if place is None else place[1],
        verdict="" if place is None else _verdict(listing.predictor, slide, path, place),
    )
    go = st.session_state.get(state.SLIDE_GO)
    if go is not None and go["slide"] != path.name:
        go = None
    viewer(view, key=_viewer_key(path), go=go, on_click=_clicked)


def _viewer_key(path: Path) -> str:
    return f"{state.SLIDE_VIEWER}-{path.name}"


def _close_patch() -> None:
    st.query_params.pop(state.SLIDE_PATCH, None)
    st.session_state.pop(state.SLIDE_FOCUS, None)


def _clicked(x: int, y: int) -> None:
    st.query_params[state.SLIDE_PATCH] = f"{x},{y}"


def _mpp(listing: Listing, slide: Slide) -> float | None:
    try:
        return listing.mpp_of(slide)
    except NodescopeError:
        return None


def _ask_for_mpp(listing: Listing, slide: Slide) -> None:
    """Draw a field where neither the file nor anybody says how large a pixel is: it is never guessed."""
    try:
        listing.mpp_of(slide)
    except NodescopeError as error:
        st.warning(
            str(error).replace(BY_OPTION, "Give it here: about 0.25 for a scan at 40×, 0.5 at 20×."),
            icon=":material/straighten:",
        )
        row = st.container(horizontal=True, vertical_alignment="bottom")
        given = row.number_input(
            "µm per pixel", LEAST_MPP, COARSEST, None, format="%.4f", key=f"{state.SLIDE_MPP}-{slide.name}", width=160,
            placeholder="0.25", help="Of the full resolution.",
        )  # fmt: skip
        if given is not None:
            row.button("Use it", on_click=layout.attempt, args=(listing.give_mpp, slide.name, float(given)))


def _place(listing: Listing, slide: Slide, found: SlideMap | None) -> Place | None:
    """Return the level-0 pixel that was clicked, and (x, y, side) of its patch: of the map's cell where it has one."""
    text = st.query_params.get(state.SLIDE_PATCH, "")
    mpp = _mpp(listing, slide)
    numbers = text.split(",")
    if mpp is None or len(numbers) != 2 or not all(each.isdecimal() and len(each) < 9 for each in numbers):
        return None
    x, y = map(int, numbers)
    if x >= slide.size[0] or y >= slide.size[1]:
        return None
    scale = MICROMETRES_PER_PIXEL / mpp
    side = PATCH_SIZE * scale
    cell = None if found is None else found.cell_at(x, y)
    if cell is not None and found is not None:
        middle = found.middle(*cell)
    else:  # so that the patch begins at a whole pixel of the model, as those of a map do
        middle = ((round(x / scale - PATCH_SIZE / 2) + PATCH_SIZE / 2) * scale,
                  (round(y / scale - PATCH_SIZE / 2) + PATCH_SIZE / 2) * scale)  # fmt: skip
    return (x, y), (middle[0] - side / 2, middle[1] - side / 2, side)


def _chosen(slide: Slide, path: Path, place: Place) -> Chosen:
    (x, y), (left, upper, side) = place
    scale = side / PATCH_SIZE
    pixels = slide.read(round(left / scale), round(upper / scale), PATCH_SIZE, PATCH_SIZE, scale=scale)
    return Chosen(f"{path.stem} at {x}, {y}", DecodedPatch(pixels, ()))


def _verdict(predictor: Predictor, slide: Slide, path: Path, place: Place) -> str:
    """Return what the model says of a patch that was just clicked in full screen, which hides what stands beside."""
    if not sent(_viewer_key(path), "clicked", "full"):
        return ""  # the frame of the patch need not wait for it
    try:
        pixels = _chosen(slide, path, place).decoded.pixels
    except NodescopeError as error:
        return str(error)
    found = results.patch_result(predictor, pixels, result.chosen_threshold(predictor))
    return f"{found.verdict}, probability {percent(found.probability)}" + ("; out-of-distribution" if found.ood else "")


def _draw_patch(listing: Listing, slide: Slide, path: Path, found: SlideMap | None, place: Place) -> None:
    chosen, (x, y) = _chosen(slide, path, place), place[0]
    st.caption(
        f"Patch around {x:,}, {y:,} (level-0 pixels), {PATCH_SIZE}×{PATCH_SIZE} at {MICROMETRES_PER_PIXEL} µm/px"
    )
    cell = None if found is None else found.cell_at(x, y)
    if cell is not None and found is not None and np.isnan(found.probability[cell]):
        st.info("No tissue was found here, so that the map leaves it out.", icon=":material/info:")
    exports = Exports(st.container())
    # The maps below the result: beside the slide there is no room for two columns.
    patch.draw(listing.predictor, chosen, st.container(), st.container(), exports, with_slider=True)
    exports.draw()


def _draw_foci(measured: Measures | None, path: Path) -> None:
    if measured is None:
        return
    if not measured.foci:
        st.caption("No area reached the model's thresholds for slides.")
        return
    rows = [
        {"probability": focus.probability, "area": focus.area_mm2, "longest": focus.longest_mm}
        for focus in measured.foci
    ]
    config = st.column_config
    at = widgets.clicked_row(
        rows, key=f"{state.SLIDE_FOCI}-{path.name}", height="content",
        column_config={
            "probability": config.NumberColumn("Highest probability", format="%.3f"),
            "area": config.NumberColumn("Area, mm²", format="%.3f"),
            "longest": config.NumberColumn("Longest, mm", format="%.2f"),
        },
    )  # fmt: skip
    if at is not None and st.session_state.get(state.SLIDE_FOCUS) != (path.name, at):
        st.session_state[state.SLIDE_FOCUS] = (path.name, at)
        go_to(path.name, measured.foci[at].at)
        if openseadragon() is None:  # nothing can move there; the patch can be shown
            _clicked(*map(int, measured.foci[at].at))
        st.rerun()


def _draw_measures(summary: dict[str, Any]) -> None:
    if not summary:
        st.caption("Not predicted yet.")
        return
    share, highest = summary.get("tumour_share"), summary.get("highest_probability")
    facts = [
        f"tissue {summary['tissue_mm2']:.1f} mm²",
        "" if share is None else f"tumour {summary['tumour_mm2']:.2f} mm² ({share:.1%})",
        f"{summary['foci']} {'focus' if summary['foci'] == 1 else 'foci'}",
        f"longest {summary['longest_mm']:.2f} mm ({summary['longest_class']})" if summary["foci"] else "",
        "" if highest is None else f"highest probability {percent(highest)}",
    ]
    st.caption(" · ".join(filter(None, facts)))
    for note in summary["notes"]:
        st.warning(note, icon=":material/warning:")


def _draw_exports(row: Any, folder: Path, path: Path) -> None:
    there = {name: about for name, about in EXPORTS.items() if (folder / name).is_file()}
    if there:
        with row.popover("Export", icon=":material/download:"):
            for name, (label, kind) in there.items():
                widgets.export(label, (folder / name).read_bytes, f"{path.stem}-{name}", kind, key=f"slide-{name}")
