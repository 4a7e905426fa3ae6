"""Predict: a calibrated probability for a patch, how far to believe it, and maps of what speaks for it."""

import streamlit as st

from core.prediction import Predictor
from core.prediction.inputs import Found
from pages._ui import frame, predict_answer, predict_batch, predict_input, predict_maps, widgets
from pages._ui.predict_input import Chosen


def main() -> None:
    widgets.title("Predict")
    st.caption(
        "Is there tumour in the centre 32×32 pixels of a patch? The answer, how sure it is, and what speaks for it."
    )
    predictor = frame.predictor()
    chosen = predict_input.choose()
    if isinstance(chosen, Found):
        chosen = predict_batch.draw(predictor, chosen)
        if chosen is not None:
            _patch(predictor, chosen, in_batch=True)
        return
    if chosen is None:
        st.info("Upload a patch, several or a zip, or press one of the examples.", icon=":material/upload:")
        return
    _patch(predictor, chosen, in_batch=False)


def _patch(predictor: Predictor, chosen: Chosen, *, in_batch: bool) -> None:
    st.divider()
    warning = st.container()
    answer_column, patch_column, map_column = st.columns([3, 4, 4], gap="large")
    with answer_column:
        answer = predict_answer.draw(predictor, chosen, with_slider=not in_batch)
    with warning:
        predict_answer.doubts(answer)
    with map_column:
        names = predict_maps.choose(predictor)
        look, options = predict_maps.settings()
        alone = st.container()
    with patch_column:
        predict_maps.patch(chosen, box=look.centre_box)
    with alone if len(names) == 1 else st.container():
        made = predict_maps.draw(predictor, chosen, names, look, options)
    maps = predict_maps.trust(predictor, chosen, made, options)
    predict_answer.neighbours(predictor, chosen)
    predict_maps.not_offered(predictor)
    predict_maps.downloads(predictor, chosen, answer, maps, look, options)


main()
