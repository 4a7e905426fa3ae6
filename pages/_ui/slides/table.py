"""Slides: the folder, its table, and the process that predicts slides one after the other."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.display import to_jpeg
from core.errors import DataError, NodescopeError
from core.formatting import printable
from core.prediction import Predictor
from core.slides.analyse import overview
from core.slides.folders import Results, mpp_given, slides_in
from core.slides.reader import Slide
from core.storage import atomic
from core.storage.home import make_folder
from core.storage.roots import is_allowed, require_allowed
from core.storage.spreadsheet import table_csv
from pages._ui import cache, jobs, layout, state, widgets
from pages._ui.slides.opened import opened_slide

THUMBNAIL = 96
"""Longer side of a picture in the table, in pixels."""

STEPS = {32: "Each patch", 96: "Every third (fast)", 8: "Fine (8 px)"}
"""Steps between patches in model pixels, and their names."""


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

    def mpp_of(self, slide: Slide) -> float:
        """Return µm per pixel of a slide. Raises :class:`DataError` where neither file nor people say."""
        return slide.mpp(self.mpp.get(slide.name))

    def give_mpp(self, name: str, mpp: float) -> None:
        """Keep what somebody says of a slide. Raises :class:`StorageError`."""
        rows = sorted({**self.mpp, name: mpp}.items())
        atomic.write_text(
            self.results.mpp_path, table_csv(pd.DataFrame(rows, columns=["slide", "mpp"]), names=("slide",))
        )


def choose_folder(place: DeltaGenerator) -> Path | None:
    """Draw the field for the folder; return it once it is there and somebody here has opened it.

    A link may name any folder of this computer, so that its own is asked about first.
    """
    known: list[str] = st.session_state.setdefault(state.SLIDE_FOLDERS, [])
    given = str(
        place.text_input(
            "Folder of slides", key=state.SLIDES, bind="query-params", placeholder="/path/to/slides",
            on_change=_agree_to_what_was_typed,
            help="SVS, NDPI, MRXS, SCN, BIF, DICOM, generic and OME-TIFF, and plain pictures. Nothing is changed "
            "there: results are kept in Nodescope's home folder.",
        )
    ).strip()  # fmt: skip
    if not given:
        st.info(
            "Type the path of a folder with whole slides. Each gets a row; the chosen model then finds tissue and "
            "tumour on them in the background, and a click opens a slide.",
            icon=":material/folder_open:",
        )
        return None
    require_allowed(given)
    folder = Path(given).expanduser()
    if given not in known and not Results.place(folder.resolve()).is_dir():
        st.info("The address names a folder that you have not opened here before. Open it if you trust the link.")
        st.code(given, language=None)
        st.button("Open folder", icon=":material/folder_open:", type="primary", on_click=_agree, args=(given,))
        return None
    if not folder.is_dir():
        raise DataError(f"There is no folder {printable(str(folder))}. Check the path.")
    return folder.resolve()


def _agree(given: str) -> None:
    st.session_state[state.SLIDE_FOLDERS].append(given)
    folder = Path(given).expanduser()
    if is_allowed(folder) and folder.is_dir():  # what is kept of it says later that somebody here has opened it
        layout.attempt(lambda: make_folder(Results.place(folder.resolve())))


def _agree_to_what_was_typed() -> None:
    _agree(str(st.session_state[state.SLIDES]).strip())


def step(predictor: Predictor, place: DeltaGenerator) -> int:
    """Draw the choice of the step; return it."""
    fine = predictor.bundle.card.model == "nodescope-net"
    offered = {str(each): label for each, label in STEPS.items() if each != 8 or fine}
    return int(
        widgets.choice(
            "Patches", offered, key=state.SLIDE_STEP, place=place,
            help="The labelled centres of neighbouring patches lie side by side, 31 µm each. Every third patch in both "
            "directions is nine times as fast and finds large areas. *Fine* needs the symmetric model.",
        )
    )  # fmt: skip


def draw(listing: Listing) -> Path | None:
    """Draw the table and what starts predictions; return the slide that is chosen."""
    if not listing.slides:
        st.info(f"There is no slide in {printable(str(listing.folder))}.", icon=":material/info:")
        return None
    known = listing.results.states(listing.slides)
    with widgets.progress("Reading the slides") as show:
        rows = []
        for number, path in enumerate(listing.slides, start=1):
            rows.append(_row(listing, path, *known[path]))
            show(number / len(listing.slides))
    table = pd.DataFrame(rows).dropna(axis="columns", how="all")  # nothing is measured before the first prediction
    if len(listing.slides) > 5:
        states = table["state"].str.replace(r"^\d+%$", "running", regex=True)
        offered = ["all", *sorted(set(states))]
        wanted = st.segmented_control("State", offered, default="all", key=state.SLIDE_STATE, required=True)
        if wanted != "all":
            table = table[states == wanted]
    table = table.reset_index(drop=True)
    at = widgets.clicked_row(table, key=state.SLIDE_TABLE, column_config=_columns(), row_height=THUMBNAIL // 2 + 8)
    by_name = {path.name: path for path in listing.slides}
    if at is not None:
        st.query_params[state.SLIDE_NAME] = str(table["slide"][at])
    wanted_name = st.query_params.get(state.SLIDE_NAME, "")
    chosen = by_name.get(wanted_name)
    if wanted_name and chosen is None:
        st.warning(f"There is no slide {widgets.escaped(wanted_name)} in this folder.", icon=":material/warning:")
    fit = [path for path, row in zip(listing.slides, rows, strict=True) if row.get("mpp")]  # others would only fail
    _draw_queue(listing, fit, {path for path in fit if known[path][0] == "done"}, chosen)
    return chosen


def _row(listing: Listing, path: Path, word: str, why: str) -> dict[str, Any]:
    """Return the row of a slide; `word` and `why` are its state, see :meth:`core.slides.folders.Results.states`."""
    row: dict[str, Any] = {"picture": None, "slide": path.name, "state": word or "not predicted"}
    try:
        about = _about(path, listing.mpp.get(path.name))
        summary = listing.results.summary(path) or {}
    except NodescopeError as error:
        return {**row, "state": "unreadable", "note": str(error)}
    notes = summary.get("notes")
    if not word and about["mpp"] is None:
        row["state"] = "refused"
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
            mpp, problem = None, str(error)
        width, height = slide.size
        return {"picture": f"data:image/jpeg;base64,{picture}", "size": f"{width:,}×{height:,}", "mpp": mpp,
                "problem": problem}  # fmt: skip

    return cache.recall("slide row", (path, cache.file_stamp(path), given), read, most=1000)


def _columns() -> dict[str, Any]:
    config = st.column_config
    return {
        "picture": config.ImageColumn("", width=THUMBNAIL // 2 + 24),
        "slide": config.TextColumn("Slide", width="medium"),
        "state": config.TextColumn("State"),
        "size": config.TextColumn("Pixels"),
        "mpp": config.NumberColumn("µm/px", format="%.3f"),
        "tissue_mm2": config.NumberColumn("Tissue, mm²", format="%.1f"),
        "tumour_share": config.NumberColumn("Tumour", format="percent", help="Share of the tissue."),
        "foci": config.NumberColumn("Foci", help="Connected areas that the model calls tumour."),
        "longest": config.TextColumn("Longest", help="Macro: at least 2 mm, micro: at least 0.2 mm, else ITC."),
        "ood_share": config.NumberColumn("OOD", format="percent", help="Patches unlike those of the training."),
        "note": config.TextColumn("Notes", width="large"),
    }


def _draw_queue(listing: Listing, fit: list[Path], done: set[Path], chosen: Path | None) -> None:
    """Draw the buttons that start predictions, or how far they are.

    Args:
        listing: the slides.
        fit: those that can be predicted.
        done: those of them that have been.
        chosen: the one that is looked at.
    """
    queue = listing.results.queue
    status = queue.status()
    if status.is_active:
        jobs.watch(queue, "Predicting slides")
        return
    jobs.last_attempt(status, next_one="Start again: it goes on from there.")
    left = [path for path in fit if path not in done]
    row = st.container(horizontal=True)
    if chosen is not None and chosen in fit:
        again = chosen in done
        label = "Predict again" if again else "Predict this slide"
        row.button(label, icon=":material/play_arrow:", on_click=_start, args=(listing, [chosen], again))
    if left:
        label = "Predict all" if len(left) == len(fit) else f"Predict the other {len(left)}"
        row.button(label, icon=":material/playlist_play:", on_click=_start, args=(listing, left, False))


def _start(listing: Listing, slides: list[Path], fresh: bool) -> None:
    command = [
        "slide", *map(str, slides), "--out", str(listing.results.path), "--bundle", str(layout.bundle_path()),
        "--step", str(listing.step), "--device", layout.device(), *(["--fresh"] if fresh else []),
        *(["--mpp", str(listing.results.mpp_path)] if listing.mpp else []),
    ]  # fmt: skip
    layout.attempt(listing.results.put_in_queue, slides)
    jobs.launch(listing.results.queue, command)
