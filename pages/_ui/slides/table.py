"""Slides: the table of a folder, and the process that predicts slides one after the other."""

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.display import to_jpeg
from core.errors import NodescopeError
from core.formatting import printable
from core.prediction import Predictor
from core.slides.analyse import overview
from core.slides.folders import Results, mpp_given, slides_in
from core.slides.reader import BY_OPTION, Slide
from core.storage import atomic
from core.storage.spreadsheet import table_csv
from pages._ui import cache, jobs, layout, state, widgets
from pages._ui.slides.opened import opened_slide

THUMBNAIL = 96
"""Longer side of a picture in the table, in pixels."""

ROW = 118
"""Height of a row in pixels: from 65 on Streamlit wraps the notes."""

FEW = 5
"""Slides up to which a table needs no filter."""

PREDICTING = "predicting"

TALLEST = 760
"""Of a table in pixels; a longer one is scrolled."""

_config = st.column_config
COLUMNS: dict[str, Any] = {
    "picture": _config.ImageColumn("", width=64),
    "slide": _config.TextColumn("Slide", width=125),
    "state": _config.TextColumn("State", width=82),
    "tumour_share": _config.NumberColumn("Tumour", format="percent", width=64, help="Share of the tissue."),
    "foci": _config.NumberColumn("Foci", format="%d", width=46, help="Connected areas that the model calls tumour."),
    "longest": _config.TextColumn("Class", width=68, help="Longest focus: macro 2 mm or more, micro 0.2, else ITC."),
    "note": _config.TextColumn("Notes", width=192),
    "tissue_mm2": _config.NumberColumn("Tissue, mm²", format="%.1f"),
    "size": _config.TextColumn("Pixels"),
    "mpp": _config.NumberColumn("µm/px", format="%.3f"),
    "ood_share": _config.NumberColumn("OOD", format="percent", help="Patches unlike those of the training."),
}
"""Of the table; in a window of 1024 pixels those up to the notes are in sight."""

TEXTS: dict[str, Callable[[Any], str]] = {
    "picture": lambda _: "",  # which else would be sent twice
    "slide": partial(widgets.breakable, most=14),
    "note": partial(widgets.breakable, most=24),
}
"""How cells are shown: names of files are long."""


@dataclass(frozen=True)
class Listing:
    """The slides of a folder and where the results of the chosen model are.

    Attributes:
        folder: of the slides.
        slides: their files, by name.
        predictor: the chosen model.
        step: between patches, in model pixels.
        results: of that model at that step.
        mpp: µm per pixel that people gave, by the name of the slide.
    """

    folder: Path
    slides: list[Path]
    predictor: Predictor
    step: int
    results: Results
    mpp: Mapping[str, float]

    @classmethod
    def of(cls, folder: Path, predictor: Predictor, step: int) -> "Listing":
        """Return the listing. Raises :class:`DataError` where the folder cannot be read."""
        results = Results.of(folder, bundle=predictor.bundle.digest, step=step)
        given = mpp_given(str(results.mpp_path)) if results.mpp_path.is_file() else None
        return cls(folder, slides_in(folder), predictor, step, results, given if isinstance(given, dict) else {})

    @cached_property
    def by_result(self) -> dict[str, Path]:
        """The slides by the names of their folders of results."""
        return {self.results.folder(path).name: path for path in self.slides}

    def mpp_of(self, slide: Slide) -> float:
        """Return µm per pixel of a slide. Raises :class:`DataError` where neither file nor people say."""
        return slide.mpp(self.mpp.get(slide.name))

    def give_mpp(self, name: str, mpp: float) -> None:
        """Keep what somebody says of a slide. Raises :class:`StorageError`."""
        rows = sorted({**self.mpp, name: mpp}.items())
        atomic.write_text(
            self.results.mpp_path, table_csv(pd.DataFrame(rows, columns=["slide", "mpp"]), names=("slide",))
        )


def open_slide(name: str, at: tuple[float, float] | None = None) -> None:
    """Open a slide, and the patch at a level-0 place of it: a callback, or what comes before ``st.rerun()``."""
    _leave_place()
    st.query_params[state.SLIDE_NAME] = name
    if at is not None:
        st.query_params[state.SLIDE_PATCH] = ",".join(str(int(each)) for each in at)
        go_to(name, at)


def go_to(name: str, at: tuple[float, float]) -> None:
    """Have the viewer of a slide go to a level-0 place when it is next drawn."""
    st.session_state[state.SLIDE_GO] = {"id": time.time(), "slide": name, "x": at[0], "y": at[1]}


def close_slide() -> None:
    """Go back to what chose the slide: a callback."""
    _leave_place()
    st.query_params.pop(state.SLIDE_NAME, None)


def _leave_place() -> None:
    # Before the slide's name: the browser keeps each change of the address, and its Back is to lead to the slide.
    for key in (state.AT, state.SLIDE_PATCH):
        st.query_params.pop(key, None)
    st.session_state.pop(state.SLIDE_GO, None)


def chosen(listing: Listing) -> Path | None:
    """Return the slide that the address names, or None; one that is not in the folder is said."""
    name = st.query_params.get(state.SLIDE_NAME, "")
    found = next((path for path in listing.slides if path.name == name), None)
    if name and found is None:
        st.warning(f"There is no slide {widgets.escaped(name)} in this folder.", icon=":material/warning:")
    return found


def draw(listing: Listing) -> None:
    """Draw the table and what starts predictions; a click on a row opens the slide."""
    if not listing.slides:
        st.info(f"There is no slide in {printable(str(listing.folder))}.", icon=":material/info:")
        return
    known = listing.results.states(listing.slides)
    with widgets.progress("Reading the slides") as show:
        rows = []
        for number, path in enumerate(listing.slides, start=1):
            rows.append(_row(listing, path, *known[path]))
            show(number / len(listing.slides))
    table = pd.DataFrame(rows).dropna(axis="columns", how="all")  # nothing is measured before the first prediction
    if len(listing.slides) > FEW:
        table = _filtered(table)
    if len(table):
        is_active = listing.results.queue.status().is_active
        st.fragment(_draw_table, run_every=2.0 if is_active else None)(listing, table, known)
    else:
        st.info("No slide has that name and state.", icon=":material/filter_alt_off:")
    draw_queue(listing, known)


def _draw_table(listing: Listing, table: pd.DataFrame, before: Mapping[Path, tuple[str, str]]) -> None:
    """Draw the table, with how far a slide is by now; the page is drawn again when another slide is under way."""
    known = listing.results.states(listing.slides)
    if [_said(word) for word, _ in known.values()] != [_said(word) for word, _ in before.values()]:
        st.rerun()
    for path, (word, _) in known.items():
        if word.endswith("%"):
            table.loc[table["slide"] == path.name, "state"] = f"{PREDICTING} {word}"
    if "tissue_mm2" in table:
        with st.container(key="more-columns"):  # which a wide window hides
            st.caption("Scroll the table sideways for tissue, pixels, µm/px and OOD.")
    at = widgets.clicked_row(table, key=state.SLIDE_TABLE, column_config=COLUMNS, column_order=list(COLUMNS),
                             row_height=ROW, height=min(ROW * len(table) + 38, TALLEST), texts=TEXTS)  # fmt: skip
    if at is not None:
        open_slide(str(table["slide"].iloc[at]))
        st.rerun()


def _said(word: str) -> str:
    """Return the state of a slide in a word that stays while it is predicted."""
    return PREDICTING if word.endswith("%") else word


def _filtered(table: pd.DataFrame) -> pd.DataFrame:
    """Draw the filters of a table and return the rows that are wanted."""
    states = table["state"]
    row = st.container(horizontal=True, vertical_alignment="bottom")
    name = (
        row.text_input("Find", key=state.SLIDE_FIND, placeholder="part of a name", width=220, persist_state="session")
        .strip()
        .lower()
    )
    offered = ["all", *sorted(set(states))]
    wanted = row.segmented_control("State", offered, default="all", key=state.SLIDE_STATE, required=True,
                                   persist_state="session")  # fmt: skip
    kept = table["slide"].str.lower().str.contains(name, regex=False) & ((states == wanted) | (wanted == "all"))
    row.caption(f"{kept.sum():,} of {len(table):,} slides")
    return table[kept].reset_index(drop=True)


def _row(listing: Listing, path: Path, word: str, why: str) -> dict[str, Any]:
    """Return the row of a slide; `word` and `why` are its state, see :meth:`core.slides.folders.Results.states`."""
    row: dict[str, Any] = {"picture": "", "slide": path.name, "state": _said(word) or "not predicted"}
    try:
        about = _about(path, listing.mpp.get(path.name))
        summary = listing.results.summary(path) or {}
    except NodescopeError as error:
        return {**row, "state": "unreadable", "note": str(error)}
    notes = summary.get("notes")
    if not word and about["mpp"] is None:
        row["state"] = "no scale"
    return {
        **row,
        "picture": about["picture"],
        "size": about["size"],
        "mpp": about["mpp"],
        "tissue_mm2": summary.get("tissue_mm2"),
        "tumour_share": summary.get("tumour_share"),
        "foci": summary.get("foci"),
        "longest": summary.get("longest_class"),
        "ood_share": summary.get("ood_share"),
        "note": why or about["problem"] or " ".join(notes if isinstance(notes, list) else ()),
    }


def _about(path: Path, given: float | None) -> dict[str, Any]:
    """Return what the file itself says, read once while it is the same; `given` are µm per pixel that people gave."""

    def read() -> dict[str, Any]:
        slide: Slide = opened_slide(path)
        picture = base64.b64encode(to_jpeg(overview(slide, THUMBNAIL), quality=80)).decode()
        try:
            mpp, problem = slide.mpp(given), ""
        except NodescopeError as error:
            mpp, problem = None, str(error).replace(BY_OPTION, "Click the slide and give it there.")
        width, height = slide.size
        return {"picture": f"data:image/jpeg;base64,{picture}", "size": f"{width:,}×{height:,}", "mpp": mpp,
                "problem": problem}  # fmt: skip

    return cache.recall("slide row", (path, cache.file_stamp(path), given), read, most=1000)


def draw_queue(listing: Listing, known: Mapping[Path, tuple[str, str]], chosen: Path | None = None) -> None:
    """Draw the buttons that start predictions, or how far they are; of one slide where one is looked at."""
    queue = listing.results.queue
    status = queue.status()
    if status.is_active:
        jobs.watch(queue, "Predicting slides")
        return
    jobs.last_attempt(status, next_one="Start again: it goes on from there.")
    wanted = listing.slides if chosen is None else [chosen]
    fit = [path for path in wanted if _is_fit(listing, path)]  # others would only fail
    left = [path for path in fit if known[path][0] != "done"]
    label, slides, icon = "Predict all", left, "playlist_play"
    if chosen is not None:
        label, slides, icon = "Predict this slide" if left else "Predict again", fit, "play_arrow"
    elif len(left) < len(fit):
        label = f"Predict the other {len(left)}"
    if slides:
        again, row = chosen is not None and not left, st.container(horizontal=True, vertical_alignment="bottom")
        problems: list[str] = []
        workers = 1
        if len(slides) > 1:
            workers = jobs.at_once("Slides", layout.device(), problems, key=state.SLIDES_AT_ONCE, place=row)
        row.button(label, icon=f":material/{icon}:", on_click=_start, args=(listing, slides, again, workers),
                   disabled=bool(problems))  # fmt: skip


def _is_fit(listing: Listing, path: Path) -> bool:
    try:
        return _about(path, listing.mpp.get(path.name))["mpp"] is not None
    except NodescopeError:
        return False


def _start(listing: Listing, slides: list[Path], fresh: bool, workers: int) -> None:
    command = [
        "slide", *map(str, slides), "--out", str(listing.results.path), "--bundle", str(layout.bundle_path()),
        "--step", str(listing.step), "--device", layout.device(), *(["--fresh"] if fresh else []),
        *(["--mpp", str(listing.results.mpp_path)] if listing.mpp else []),
        *(["--workers", str(workers)] if workers > 1 else []),
    ]  # fmt: skip
    layout.attempt(listing.results.put_in_queue, slides)
    jobs.launch(listing.results.queue, command)
