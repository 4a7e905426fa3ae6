"""Slides: what was found, compared with what people outlined."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from core.errors import DataError
from core.reports.slide_charts import area_errors, class_matrix, froc_curve
from core.slides.annotations import SUFFIXES
from core.slides.evaluation import Place, SlideEvaluation, evaluate_slides
from core.slides.folders import annotations_of
from pages._ui import cache, state, widgets
from pages._ui.slides.table import Listing, open_slide
from pages._ui.widgets import estimated


def draw(listing: Listing) -> None:
    """Draw the view."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    given = row.text_input(
        "Folder of outlines", key=state.SLIDE_OUTLINES, placeholder=f"{listing.folder} or its folder annotations",
        help="What people outlined, a file of each slide's name: GeoJSON (QuPath), XML (ASAP) or JSON (NCRF). Empty: "
        "beside the slides.", persist_state="session",
    ).strip()  # fmt: skip
    normal = row.checkbox("Slides without outlines have no tumour", key=state.SLIDE_NORMAL,
                          persist_state="session", help="Else they are left out.")  # fmt: skip
    folder = Path(given).expanduser() if given else listing.folder
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}. Check the path.")
    if not any((listing.results.folder(path) / "summary.json").is_file() for path in listing.slides):
        st.info("No slide of this folder is predicted by this model yet. Start it in the view *Slides*.")
        return
    if not normal and not any(annotations_of(folder / path.name) for path in listing.slides):
        st.info(
            f"There are no outlines of these slides in {folder}. Outline the tumour in QuPath and export it as GeoJSON "
            f"with the slide's name, such as {listing.slides[0].stem}.geojson; {', '.join(SUFFIXES)} are read.",
            icon=":material/draw:",
        )
        return
    found = cache.recall(
        "slide evaluation", (listing.results.path, folder, normal, _stamps(listing, folder)),
        lambda: evaluate_slides(listing.results.path, folder, normal=normal), most=4, doing="Comparing the slides",
    )  # fmt: skip
    _draw_metrics(found)
    _draw_charts(found)
    left, right = st.columns(2)
    with left:
        st.subheader("Missed lesions", anchor=False)
        _draw_places(listing, [each for slide in found.slides for each in slide.missed], "missed",
                     "Every lesion that counts has a focus in it.")  # fmt: skip
    with right:
        st.subheader("False foci", anchor=False)
        false = [each for slide in found.slides for each in slide.false]
        _draw_places(listing, sorted(false, key=lambda each: each.probability or 0, reverse=True), "false",
                     "No focus lies outside of the outlines.")  # fmt: skip


def _stamps(listing: Listing, folder: Path) -> tuple[int, ...]:
    results = [listing.results.folder(path) / "summary.json" for path in listing.slides]
    files = [*results, *(annotations_of(folder / path.name) for path in listing.slides)]
    return tuple(0 if each is None else cache.file_stamp(each) for each in files)


def _draw_metrics(found: SlideEvaluation) -> None:
    told = found.to_json()
    sentence = (
        f"{widgets.counted(told['slides'], 'slide', 'slides')}, {told['with_tumour']} with tumour, "
        f"{widgets.counted(told['lesions'], 'lesion that counts', 'lesions that count')}."
    )
    if found.left_out:
        sentence += f" Left out, as they have no outlines: {len(found.left_out)}."
    st.caption(sentence)
    row = st.container(horizontal=True)
    estimated("FROC", found.curve.score, place=row, help="The mean share of lesions found at 1/4, 1/2, 1, 2, 4 and 8 "
              "false foci a slide, as CAMELYON16 defines it; 95% CI over slides, from 4 on.")  # fmt: skip
    estimated("AUC of slides", found.auc, place=row, help="Slides with tumour against those without, by their highest "
              "probability.")  # fmt: skip
    row.metric("Dice", "undefined" if found.dice is None else f"{found.dice:.3f}", width="content",
               help="Twice the common area over the sum of the called and the true one; mean over slides.")  # fmt: skip
    total = sum(each.area_error_mm2 for each in found.slides)
    row.metric("Area error", f"{total:+.2f} mm²", width="content", help="Called area less the true one, all slides.")


def _draw_charts(found: SlideEvaluation) -> None:
    figures = {
        "froc": (froc_curve(found.curve), "FROC curve") if found.curve.lesions else None,
        "classes": (class_matrix(found.classes), "True classes of slides by called classes"),
        "areas": (area_errors({each.name: each.area_error_mm2 for each in found.slides}), "Error of the area by slide"),
    }
    drawn = {key: figure for key, figure in figures.items() if figure is not None}
    for place, (key, (figure, alt)) in zip(st.columns(len(drawn)), drawn.items(), strict=True):
        place.plotly_chart(figure, config=widgets.CHART, key=f"slide-{key}", alt=alt)


def _draw_places(listing: Listing, places: Sequence[Place], kind: str, none: str) -> None:
    """Draw places as a table, of which a click opens the viewer there."""
    if not places:
        st.caption(none)
        return
    config = st.column_config
    rows = [{"slide": each.name, "probability": each.probability, "x": each.x, "y": each.y} for each in places]
    at = widgets.clicked_row(
        rows, key=f"slide-{kind}", height="content" if len(rows) <= 10 else 390,
        column_order=["slide", "probability", "x", "y"] if kind == "false" else ["slide", "x", "y"],
        column_config={
            "slide": config.TextColumn("Slide"),
            "probability": config.NumberColumn("Highest probability", format="%.3f"),
            "x": config.NumberColumn("x", format="%.0f", help="In level-0 pixels."),
            "y": config.NumberColumn("y", format="%.0f"),
        },
    )  # fmt: skip
    if at is not None and places[at].name in listing.by_result:
        open_slide(listing.by_result[places[at].name].name, (places[at].x, places[at].y))
        st.rerun()
