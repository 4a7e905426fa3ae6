"""Slides: all slides of a folder at once: how much tumour, which to mistrust, where to look first, what failed."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.errors import NodescopeError
from core.formatting import percent
from core.images.patch import MICROMETRES_PER_PIXEL, PATCH_SIZE
from core.reports.slide_charts import foci_counts, tumour_shares
from core.slides.cohort import COLUMNS, TEXTS, failures, highest_foci, read_cohort
from core.storage.spreadsheet import table_csv
from pages._ui import cache, widgets
from pages._ui.gallery.component import Tile, encoded, gallery
from pages._ui.slides.opened import opened_slide
from pages._ui.slides.table import ROW, Listing, open_slide

GALLERY = 24
"""Foci that are shown."""

WORST = 10
"""Slides that are listed as out of distribution, at most."""


def draw(listing: Listing) -> None:
    """Draw the view."""
    table = read_cohort(listing.results.path)
    table = table[table["name"].isin(listing.by_result)].reset_index(drop=True)
    done = table[table["state"] == "done"].reset_index(drop=True)
    failed = failures(table)
    if not len(done):
        st.info("No slide of this folder is predicted by this model yet. Start it in the view *Slides*.")
    else:
        _draw_totals(listing, table, done)
        _draw_charts(done)
        _draw_foci(listing, done)
        _draw_unlike(listing, done)
    if failed:
        st.subheader("Failed", anchor=False)
        for reason, names in failed.items():
            count = widgets.counted(len(names), "slide", "slides")
            st.warning(widgets.escaped(f"{count} ({', '.join(names)}): {reason}"), icon=":material/error:")


def _draw_totals(listing: Listing, table: pd.DataFrame, done: pd.DataFrame) -> None:
    with_tumour = int((done["foci"] > 0).sum())
    tissue, tumour = done["tissue_mm2"].sum(), done["tumour_mm2"].sum()
    row = st.container(horizontal=True, vertical_alignment="center", gap="medium")  # else "5 of 7" and "4" read as one
    row.metric("Slides", f"{len(done):,} of {len(listing.slides):,}", width="content")
    row.metric("With foci", f"{with_tumour:,}", width="content")
    row.metric("Tissue", f"{tissue:,.1f} mm²", width="content")
    row.metric("Tumour", f"{tumour:,.2f} mm²", width="content")
    classes = done["longest_class"].value_counts()
    for name, word in (("macro", "Macro"), ("micro", "Micro"), ("ITC", "ITC")):
        row.metric(word, int(classes.get(name, 0)), help="Slides by their longest focus: 2 mm, 0.2 mm, less.",
                   width="content")  # fmt: skip
    widgets.export("slides.csv", lambda: table_csv(table[list(COLUMNS)], names=TEXTS), "slides.csv", place=row)


def _draw_charts(done: pd.DataFrame) -> None:
    left, right = st.columns(2)
    left.plotly_chart(tumour_shares(done["tumour_share"].dropna().to_numpy(float)), config=widgets.CHART,
                      key="cohort-shares", alt="Slides by their share of tumour")  # fmt: skip
    right.plotly_chart(foci_counts(done["foci"].dropna().to_numpy(int)), config=widgets.CHART, key="cohort-foci",
                       alt="Slides by their number of foci")  # fmt: skip


def _draw_foci(listing: Listing, done: pd.DataFrame) -> None:
    st.subheader("Highest foci", anchor=False)
    names, place = done["name"].to_list(), listing.results.path
    written = tuple((name, cache.file_stamp(place / name / "foci.csv")) for name in names)
    foci = cache.recall("highest foci", (place, written), lambda: highest_foci(place, names, most=GALLERY), most=8)
    if not foci:
        st.caption("There is no focus on any slide.")
        return
    stamps = tuple((each["name"], cache.file_stamp(listing.by_result[each["name"]])) for each in foci)
    places = tuple((each["x"], each["y"]) for each in foci)
    tiles, sheet = cache.recall(
        "foci", (listing.folder, stamps, places, tuple(listing.mpp.items())), lambda: _tiles(listing, foci),
        most=8, doing="Reading the foci",
    )  # fmt: skip
    if len(tiles) < len(foci):
        st.caption(f"{len(foci) - len(tiles)} of them cannot be read from their slides.")
    if tiles:
        by_id = {tile.id: at for tile, at in tiles}
        gallery(
            sheet, [tile for tile, _ in tiles], name="Highest foci", key="cohort-gallery", size=110,
            on_open=lambda each: open_slide(*by_id[each]),
        )  # fmt: skip


def _tiles(
    listing: Listing, foci: list[dict[str, Any]]
) -> tuple[list[tuple[Tile, tuple[str, tuple[float, float]]]], str]:
    """Return the patches in the middle of foci, each with the slide and place that it opens, and their picture."""
    tiles, pixels = [], []
    for number, focus in enumerate(foci):
        path = listing.by_result[focus["name"]]
        try:
            slide = opened_slide(path)
            scale = MICROMETRES_PER_PIXEL / listing.mpp_of(slide)
            x, y = (round(focus[axis] / scale - PATCH_SIZE / 2) for axis in ("x", "y"))
            pixels.append(slide.read(x, y, PATCH_SIZE, PATCH_SIZE, scale=scale))
        except NodescopeError:
            continue
        lines = [path.name, f"probability {percent(focus['probability'])}", f"{focus['area_mm2']:.3f} mm²"]
        tile = Tile(id=str(number), label=1, lines=lines, badge=percent(focus["probability"], digits=0))
        tiles.append((tile, (path.name, (focus["x"], focus["y"]))))
    return tiles, encoded(np.stack(pixels)) if pixels else ""


def _draw_unlike(listing: Listing, done: pd.DataFrame) -> None:
    unlike = done.dropna(subset=["ood_share"]).sort_values("ood_share", ascending=False).head(WORST)
    if not len(unlike):
        return
    st.subheader("Least like the training patches", anchor=False)
    config = st.column_config
    shown = unlike[["slide", "ood_share", "tumour_share", "foci", "notes"]].reset_index(drop=True)
    at = widgets.clicked_row(
        shown, key="cohort-unlike", height="content", row_height=ROW,
        column_config={
            "slide": config.TextColumn("Slide"),
            "ood_share": config.NumberColumn("OOD", format="percent", help="Patches unlike those of the training."),
            "tumour_share": config.NumberColumn("Tumour", format="percent", help="Share of the tissue."),
            "foci": config.NumberColumn("Foci", format="%d"),
            "notes": config.TextColumn("Notes", width=250),
        },
    )  # fmt: skip
    if at is not None:
        open_slide(listing.by_result[str(unlike["name"].iloc[at])].name)
        st.rerun()
