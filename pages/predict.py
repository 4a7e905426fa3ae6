"""Predict: a calibrated probability for a patch, how far to trust it, and saliency maps."""

import streamlit as st

from core.images.discover import Found
from core.prediction import Predictor
from pages._ui import layout
from pages._ui.predict import batch, result, saliency, tiles, upload
from pages._ui.predict.crop import Tiled
from pages._ui.predict.upload import Chosen

# In a narrow window the maps go below the probability, or both would be too narrow to read.
NARROW = """
<style>
  @media (max-width: 1200px) {
    .st-key-result-and-maps > [data-testid="stHorizontalBlock"],
    .st-key-result-and-maps > div > [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
    .st-key-result-and-maps > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"],
    .st-key-result-and-maps > div > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] { min-width: 100%; }
  }
</style>
"""


def main() -> None:
    st.caption(
        "Is there tumour in the centre 32×32 pixels of a patch? The probability, how certain it is, and which pixels "
        "led to it."
    )
    predictor = layout.predictor()
    chosen = upload.choose()
    if isinstance(chosen, Found | Tiled):
        one = batch.draw(predictor, chosen) if isinstance(chosen, Found) else tiles.draw(predictor, chosen)
        if one is not None:
            _draw(predictor, one, in_batch=True)
        return
    if chosen is not None:
        _draw(predictor, chosen, in_batch=False)


def _draw(predictor: Predictor, chosen: Chosen, *, in_batch: bool) -> None:
    st.divider()
    warning = st.container()  # on top, but filled by the result below
    st.html(NARROW)
    with st.container(key="result-and-maps"):
        number_column, maps_column = st.columns([1, 3], gap="large")
    with number_column:
        prediction = result.draw(predictor, chosen, with_slider=not in_batch)
    with warning:
        result.ood(prediction)
    with maps_column:
        methods, overlay, options = saliency.controls(predictor)
        patch_column, *map_columns = st.columns(1 + len(methods))
        with patch_column:
            saliency.patch(chosen, box=overlay.centre_box)
        made = saliency.draw(predictor, chosen, methods, overlay, options, map_columns)
    maps = saliency.trust(predictor, chosen, made, options)
    result.similar(predictor, chosen)
    saliency.not_offered(predictor)
    saliency.downloads(predictor, chosen, prediction, maps, overlay, options)


layout.show(main)
