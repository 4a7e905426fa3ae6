"""Predict: many patches at once, with progress, a table, a histogram, a CSV file, and one row in detail."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.display import CLASS_COLOURS, jpeg_address
from core.errors import PatchError, Problem
from core.images.decode import DecodedPatch
from core.images.discover import Found, PatchFile
from core.images.limits import UPLOAD_LIMITS
from core.images.tiling import Sizing, patches_of
from core.prediction import Predictor
from core.prediction.batch import ScoredBatch, ScoredFile, score_pieces
from core.reports.batch import ood_summary, table_csv
from core.reports.chart_theme import REFERENCE, empty_chart
from pages._ui import layout, state, widgets
from pages._ui.predict import crop, result
from pages._ui.predict.exports import Exports
from pages._ui.predict.upload import Chosen

PIECE = 32
"""Files between two steps of the progress bar; at most as many are predicted again after a stop."""

ROWS = 200

MANY = 20
"""Patches from which on there is a histogram; fewer are seen at a glance in the table."""

TALLEST = 620
"""Greatest height of the table in pixels, so that the patch of a row is not far below it."""


def draw(
    predictor: Predictor, found: Found, left: DeltaGenerator, right: DeltaGenerator, exports: Exports
) -> Chosen | None:
    """Draw the batch, its summary left and its table right; return the patch whose row was clicked, or None."""
    with left:
        sizing = crop.sizing()
    with right:
        batch = _scored(layout.predictor(), found, sizing).calibrated_by(predictor.bundle)
        problems = [*found.problems, *batch.problems]
        _problems(problems)
    if not batch.files:
        if batch.done == len(found.files):
            right.info(
                "None of these files could be used. The list above says what is wrong with each.",
                icon=":material/info:",
            )
        return None
    probabilities = np.array([file.probability for file in batch.files])
    with left:
        numbers = st.container()
        threshold = result.threshold(predictor)
        with numbers:
            _summary(batch, probabilities, threshold)
        if len(probabilities) >= MANY:
            _histogram(probabilities, threshold)
    whole, missing = replace(batch, problems=problems), len(found.files) - batch.done
    exports.add(
        "All predictions as CSV", lambda: table_csv(whole, threshold=threshold, left_out=missing), "predictions.csv",
        help="Probability, verdict, OOD warnings and remarks for every patch, and the files that could not be used.",
    )  # fmt: skip
    with right:
        position = _table(batch, probabilities, threshold)
        if position is None:
            st.caption("Click the box to the left of a row to see the patch in detail.")
            return None
    try:
        file = batch.files[position]
        return Chosen(file.name, _decoded(found.files, file, sizing))
    except PatchError as error:
        layout.show_error(error)
        return None


def _scored(predictor: Predictor, found: Found, sizing: Sizing) -> ScoredBatch:
    """Return the batch, or what was done before a stop; predict the rest with progress and a way to stop."""
    names = "\n".join(file.id for file in found.files)
    key = predictor.bundle.digest + hashlib.sha256((names + _contents() + repr(sizing)).encode()).hexdigest()
    kept: tuple[str, ScoredBatch] | None = st.session_state.get(state.BATCH)
    batch = kept[1] if kept is not None and kept[0] == key else ScoredBatch([], [])
    if batch.done == len(found.files):
        return batch
    if st.session_state.get(state.BATCH_STOPPED) == key:
        st.info(
            f"Stopped: {batch.done:,} of {len(found.files):,} files are done and listed below.",
            icon=":material/stop_circle:",
        )
        st.button("Continue", type="primary", icon=":material/play_arrow:", on_click=st.session_state.update,
                  args=({state.BATCH_STOPPED: None},))  # fmt: skip
        return batch
    place = st.container(horizontal=True, vertical_alignment="center")
    bar, stop = place.empty(), place.empty()
    stop.button("Stop", icon=":material/stop:", help="What is done is kept.", on_click=st.session_state.update,
                args=({state.BATCH_STOPPED: key},))  # fmt: skip
    _show(bar, batch.done, len(found.files))
    rest = found.files[batch.done :]
    pieces = score_pieces(
        predictor, rest, limits=UPLOAD_LIMITS, sizing=sizing, with_ood=True, with_thumbnails=True, chunk=PIECE
    )
    for piece in pieces:
        batch = batch.plus(piece)
        # After each piece, because a click on Stop ends this run of the script at the next progress report.
        st.session_state[state.BATCH] = (key, batch)
        _show(bar, batch.done, len(found.files))
    bar.empty()
    stop.empty()
    return batch


def _show(bar: DeltaGenerator, done: int, files: int) -> None:
    bar.progress(done / files, text=f"Predicting: {done:,} of {files:,} files")


def _contents() -> str:
    """Return what distinguishes this upload from another one with the same names."""
    # Streamlit gives each upload an id of its own.
    held = [file for key in (state.UPLOAD, state.FOLDER, state.PASTED) for file in st.session_state.get(key) or []]
    return "\n".join(str(file.file_id) for file in held)


def _problems(problems: list[Problem]) -> None:
    if problems:
        with st.expander(
            f"{widgets.counted(len(problems), 'file', 'files')} could not be used",
            icon=":material/warning:",
            expanded=len(problems) < 6,
        ):
            listed = [(problem.name, problem.reason) for problem in problems[:500]]
            # Not st.dataframe(), which would cut the sentences before what to do.
            st.table(pd.DataFrame(listed, columns=["file", "reason and remedy"]).set_index("file").map(widgets.escaped))
            if len(problems) > 500:
                st.caption(f"The first 500 of {len(problems):,}.")


def _summary(batch: ScoredBatch, probabilities: np.ndarray, threshold: float) -> None:
    called = int((probabilities >= threshold).sum())
    unusual = sum(bool(file.ood) for file in batch.files)
    with st.container(horizontal=True, gap="medium", key="numbers"):
        st.metric("Patches", f"{len(probabilities):,}", width="content")
        share = f"{called / len(probabilities):.1%}, at the decision threshold of {threshold:.3f}."
        st.metric("Called tumour", f"{called:,}", help=share, width="content")
        meaning = "Blank, blurred, in unusual colours, or unlike the training patches."
        st.metric("Out-of-distribution", f"{unusual:,}", help=meaning, width="content")


def _histogram(probabilities: np.ndarray, threshold: float) -> None:
    figure = empty_chart(
        x="probability", y="patches", height=200, legend="above", barmode="stack", bargap=0.06, margin={"r": 22}
    )
    for value, name in ((False, "normal"), (True, "tumour")):
        figure.add_histogram(
            x=probabilities[(probabilities >= threshold) == value], name=f"called {name}",
            # A little beyond 1, so that a probability of exactly 1 is in the last bin.
            xbins={"start": 0, "end": 1.0001, "size": 0.05}, marker_color=CLASS_COLOURS[int(value)],
        )  # fmt: skip
    figure.add_vline(x=threshold, line=REFERENCE)
    figure.update_xaxes(range=[0, 1], tickvals=[0, 0.5, 1], tickformat=".0%")
    st.plotly_chart(figure, config=widgets.CHART, key="batch-histogram", alt="Histogram of the probabilities")


def _table(batch: ScoredBatch, probabilities: np.ndarray, threshold: float) -> int | None:
    """Draw one page of the table, the highest probability first; return the position of the clicked row."""
    order = np.argsort(-probabilities, kind="stable")
    pages = -(-len(order) // ROWS)
    page = 1
    if pages > 1:
        page = int(st.number_input(f"Page (1 to {pages})", 1, pages, 1, key=state.BATCH_PAGE, width=160))
    shown = order[(page - 1) * ROWS : page * ROWS]
    files = [batch.files[position] for position in shown]
    table = pd.DataFrame(
        {
            "patch": [jpeg_address(file.thumbnail) for file in files],
            "name": [file.name for file in files],
            # Percent, and none of 0.0 or 100.0: no model is certain. The CSV file has all digits.
            "probability": np.clip([100 * file.probability for file in files], 0.1, 99.9),
            "verdict": ["tumour" if file.probability >= threshold else "normal" for file in files],
            "OOD warnings": [ood_summary(file.ood) for file in files],
            "remarks": [" ".join(file.notes) for file in files],
        }
    )
    # Columns without a word take the place of others.
    table = table[[name for name in table if not (table[name] == "").all()]]
    row = widgets.clicked_row(
        table, row_height=52, key=f"batch-{page}", height=min(52 * len(table) + 38, TALLEST),
        column_config={
            "patch": st.column_config.ImageColumn(width=64),
            "probability": st.column_config.ProgressColumn(min_value=0, max_value=100, format="%.1f%%", width=130),
            "name": st.column_config.TextColumn(width=150),
            "verdict": st.column_config.TextColumn(width=80),
            "OOD warnings": st.column_config.TextColumn(width=240),
            "remarks": st.column_config.TextColumn(width=480),
        },
    )  # fmt: skip
    return None if row is None else int(shown[row])


def _decoded(files: list[PatchFile], row: ScoredFile, sizing: Sizing) -> DecodedPatch:
    """Return the patch of a row, whose file is read again. Raises :class:`PatchError` if the file is gone."""
    file = next(file for file in files if file.id == row.source)
    tiles = patches_of(file.read(), name=file.name, sizing=sizing, max_pixels=UPLOAD_LIMITS.max_pixels)
    return next(tile.decoded for tile in tiles if tile.at == row.at)
