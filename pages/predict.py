"""Predict: a calibrated probability for a patch, how far to believe it, and maps of what speaks for it."""

import streamlit as st

from core.prediction import Predictor
from core.prediction.inputs import Found
from pages._ui import frame, predict_answer, predict_batch, predict_input, predict_maps, predict_tiles, widgets
from pages._ui.predict_input import Chosen
from pages._ui.predict_sizes import Tiled

# On a narrow window the maps stand below the answer, or both would be too narrow to read.
NARROW = """
<style>
  @media (max-width: 1200px) {
    .st-key-answer-and-maps > [data-testid="stHorizontalBlock"],
    .st-key-answer-and-maps > div > [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
    .st-key-answer-and-maps > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"],
    .st-key-answer-and-maps > div > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] { min-width: 100%; }
  }
</style>
"""


def main() -> None:
    widgets.title("Predict")
    st.caption(
        "Is there tumour in the centre 32×32 pixels of a patch? The answer, how sure it is, and what speaks for it."
    )
    predictor = frame.predictor()
    chosen = predict_input.choose()
    if isinstance(chosen, Found | Tiled):
        one = (
            predict_batch.draw(predictor, chosen)
            if isinstance(chosen, Found)
            else predict_tiles.draw(predictor, chosen)
        )
        if one is not None:
            _patch(predictor, one, in_batch=True)
        return
    if chosen is not None:
        _patch(predictor, chosen, in_batch=False)


def _patch(predictor: Predictor, chosen: Chosen, *, in_batch: bool) -> None:
    st.divider()
    warning = st.container()
    st.html(NARROW)
    with st.container(key="answer-and-maps"):
        answer_column, maps_column = st.columns([1, 3], gap="large")
    with answer_column:
        answer = predict_answer.draw(predictor, chosen, with_slider=not in_batch)
    with warning:
        predict_answer.doubts(answer)
    with maps_column:
        names, look, options = predict_maps.controls(predictor)
        patch_column, *map_columns = st.columns(1 + len(names))
        with patch_column:
            predict_maps.patch(chosen, box=look.centre_box)
        made = predict_maps.draw(predictor, chosen, names, look, options, map_columns)
    maps = predict_maps.trust(predictor, chosen, made, options)
    predict_answer.neighbours(predictor, chosen)
    predict_maps.not_offered(predictor)
    predict_maps.downloads(predictor, chosen, answer, maps, look, options)


frame.show(main)
