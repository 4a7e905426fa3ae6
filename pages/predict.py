"""Predict: a calibrated probability for a patch, how far to believe it, and maps of what speaks for it."""

import streamlit as st

from core.images.discover import Found
from core.prediction import Predictor
from pages._ui import layout, widgets
from pages._ui.predict import batch, result, saliency, tiles, upload
from pages._ui.predict.crop import Tiled
from pages._ui.predict.upload import Chosen

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
    predictor = layout.predictor()
    chosen = upload.choose()
    if isinstance(chosen, Found | Tiled):
        one = batch.draw(predictor, chosen) if isinstance(chosen, Found) else tiles.draw(predictor, chosen)
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
        answer = result.draw(predictor, chosen, with_slider=not in_batch)
    with warning:
        result.ood(answer)
    with maps_column:
        names, look, options = saliency.controls(predictor)
        patch_column, *map_columns = st.columns(1 + len(names))
        with patch_column:
            saliency.patch(chosen, box=look.centre_box)
        made = saliency.draw(predictor, chosen, names, look, options, map_columns)
    maps = saliency.trust(predictor, chosen, made, options)
    result.neighbours(predictor, chosen)
    saliency.not_offered(predictor)
    saliency.downloads(predictor, chosen, answer, maps, look, options)


layout.show(main)
