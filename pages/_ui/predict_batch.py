"""Predict: many patches at once. Progress, a table, a histogram, a CSV, and one row in detail."""

import base64
import hashlib

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.commands.predict import to_csv
from core.display import CLASS_COLOURS, to_jpeg
from core.errors import PatchError
from core.prediction import Predictor
from core.prediction.batch import ScoredBatch, score_files
from core.prediction.images import decode_patch
from core.prediction.inputs import UPLOAD_LIMITS, Found, PatchFile, Problem
from pages._ui import frame, predict_answer, state, widgets
from pages._ui.predict_input import Chosen

ROWS = 200


def draw(predictor: Predictor, found: Found) -> Chosen | None:
    """Draw the batch; return the patch whose row was clicked."""
    batch = _scored(predictor, found)
    if batch is None:
        return None
    problems = [*found.problems, *batch.problems]
    _problems(problems)
    if not batch.files:
        st.info("None of these files could be used. What is wrong with each stands above.", icon=":material/info:")
        return None
    line = predict_answer.threshold(predictor)
    probabilities = np.array([file.probability for file in batch.files])
    _summary(batch, probabilities, line)
    position = _table(batch, found, probabilities, line)
    if position is None:
        st.caption("Click the box at the left of a row to see the patch in detail.")
        return None
    by_id = {file.id: file for file in found.files}
    return _open(by_id[batch.files[position].id])


def _scored(predictor: Predictor, found: Found) -> ScoredBatch | None:
    """Return the batch from this session, or predict it now with progress and a way to stop."""
    names = "\n".join(file.id for file in found.files)
    key = predictor.bundle.digest + hashlib.sha256((names + _contents()).encode()).hexdigest()
    kept: tuple[str, ScoredBatch] | None = st.session_state.get(state.BATCH)
    if kept is not None and kept[0] == key:
        return kept[1]
    if st.session_state.get(state.BATCH_STOPPED) == key:
        st.info(f"Stopped before {len(found.files):,} patches were predicted.", icon=":material/stop_circle:")
        st.button("Predict them", on_click=_forget_stop, type="primary")
        return None
    place = st.container(horizontal=True, vertical_alignment="center")
    bar = place.empty()
    stop = place.empty()
    stop.button("Stop", icon=":material/stop:", on_click=_stop, args=(key,))

    def show(share: float) -> None:
        bar.progress(share, text=f"Predicting {len(found.files):,} patches: {share:.0%}")

    show(0.0)
    batch = score_files(predictor, found.files, limits=UPLOAD_LIMITS, with_doubts=True, progress=show)
    bar.empty()
    stop.empty()
    st.session_state[state.BATCH] = (key, batch)
    return batch


def _contents() -> str:
    """Return what tells this upload from another one with the same names."""
    files = st.session_state.get(state.UPLOAD) or []
    return "\n".join(str(file.file_id) for file in files)


def _stop(key: str) -> None:
    st.session_state[state.BATCH_STOPPED] = key


def _forget_stop() -> None:
    st.session_state.pop(state.BATCH_STOPPED, None)


def _problems(problems: list[Problem]) -> None:
    if problems:
        with st.expander(f"{len(problems):,} could not be used", icon=":material/warning:", expanded=len(problems) < 6):
            listed = [(problem.name, problem.reason) for problem in problems[:500]]
            st.dataframe(pd.DataFrame(listed, columns=["file", "why, and what to do"]), hide_index=True)
            if len(problems) > 500:
                st.caption(f"The first 500 of {len(problems):,}.")


def _summary(batch: ScoredBatch, probabilities: np.ndarray, line: float) -> None:
    tumours = int((probabilities >= line).sum())
    doubtful = sum(bool(file.doubts) for file in batch.files)
    numbers, chart = st.columns([2, 3], vertical_alignment="center")
    with numbers:
        first, second, third = st.columns(3)
        first.metric("Patches", f"{len(probabilities):,}")
        second.metric("Called tumour", f"{tumours:,}", help=f"{tumours / len(probabilities):.1%}, from {line:.3f} on")
        third.metric(
            "Doubtful", f"{doubtful:,}", help="Blank, blurred, in other colours, or unlike what the model knows"
        )
        st.download_button(
            "Table as CSV", to_csv(batch), "predictions.csv", "text/csv", icon=":material/download:", on_click="ignore",
            help="id and calibrated probability of every patch. " + frame.RESEARCH_ONLY,
        )  # fmt: skip
    with chart:
        figure = go.Figure()
        for value, name in ((False, "normal"), (True, "tumour")):
            figure.add_histogram(
                x=probabilities[(probabilities >= line) == value], name=f"called {name}",
                xbins={"start": 0, "end": 1.0001, "size": 0.05}, marker_color=CLASS_COLOURS[int(value)],
            )  # fmt: skip
        figure.add_vline(x=line, line={"dash": "dot", "width": 2, "color": "gray"})
        figure.update_layout(
            height=170, barmode="stack", bargap=0.06, margin={"l": 0, "r": 8, "t": 8, "b": 0},
            legend={"orientation": "h", "y": 1.2}, xaxis={"range": [0, 1], "tickformat": ".0%", "fixedrange": True},
            yaxis={"title": "patches", "fixedrange": True},
        )  # fmt: skip
        st.plotly_chart(figure, config=widgets.CHART, key="batch-histogram", alt="Histogram of the probabilities")


def _table(batch: ScoredBatch, found: Found, probabilities: np.ndarray, line: float) -> int | None:
    """Draw one page of the table, the highest probability first; return the position of the clicked row."""
    order = np.argsort(-probabilities, kind="stable")
    pages = -(-len(order) // ROWS)
    page = 1
    if pages > 1:
        page = int(st.number_input(f"Page (1 to {pages})", 1, pages, 1, key=state.BATCH_PAGE, width=160))
    shown = order[(page - 1) * ROWS : page * ROWS]
    by_id = {file.id: file for file in found.files}
    files = [batch.files[position] for position in shown]
    table = pd.DataFrame(
        {
            "patch": [_thumbnail(by_id[file.id]) for file in files],
            "name": [file.name for file in files],
            "probability": [file.probability for file in files],
            "verdict": ["tumour" if file.probability >= line else "normal" for file in files],
            "doubt": [
                "; ".join(_KINDS[odd.kind] for odd in file.doubts.oddities) if file.doubts else "" for file in files
            ],
            "remarks": [" ".join(file.notes) for file in files],
        }
    )
    event = st.dataframe(
        table, hide_index=True, row_height=52, on_select="rerun", selection_mode="single-row", key=f"batch-{page}",
        column_config={
            "patch": st.column_config.ImageColumn(width="small"),
            "probability": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.4f"),
        },
    )  # fmt: skip
    rows = event["selection"]["rows"]
    return int(shown[rows[0]]) if rows else None


_KINDS = {"blank": "blank", "blur": "blurred", "stain": "not H&E colours", "network": "unlike training patches"}


def _thumbnail(file: PatchFile) -> str:
    chosen = decode_patch(file.read(), name=file.name, max_pixels=UPLOAD_LIMITS.max_pixels)
    data = base64.b64encode(to_jpeg(chosen.pixels[::2, ::2], quality=85)).decode()
    return f"data:image/jpeg;base64,{data}"


def _open(file: PatchFile) -> Chosen | None:
    try:
        return Chosen(file.name, decode_patch(file.read(), name=file.name, max_pixels=UPLOAD_LIMITS.max_pixels))
    except PatchError as error:
        frame.show_error(error)
        return None
