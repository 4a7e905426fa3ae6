"""Predict: a calibrated probability for a patch, how far to trust it, and saliency maps."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.images.discover import Found
from pages._ui import layout, widgets
from pages._ui.predict import batch, patch, prevalence, tiles, upload
from pages._ui.predict.crop import Tiled
from pages._ui.predict.exports import Exports

# In a narrow window maps go below each other, and in a phone's the right column below the left one.
LAYOUT = """
<style>
  .st-key-maps [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
  .st-key-maps [data-testid="stColumn"] { min-width: 220px; }
  [data-testid="stFileChips"] > div { max-height: 8.5rem; }
  .st-key-numbers [data-testid="stMetricValue"] { font-size: 1.4rem; }
  .st-key-methods [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
  .st-key-methods [data-testid="stColumn"] { min-width: 165px; }
  @media (max-width: 1200px) {
    :is(.st-key-predict, .st-key-detail, .st-key-predict > div, .st-key-detail > div)
      > [data-testid="stHorizontalBlock"] { flex-wrap: wrap; gap: 1.5rem; }
    :is(.st-key-predict, .st-key-detail, .st-key-predict > div, .st-key-detail > div)
      > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] { flex: 1 1 250px; min-width: 250px; }
    :is(.st-key-predict, .st-key-detail, .st-key-predict > div, .st-key-detail > div)
      > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"]:last-child { flex: 2 1 380px; }
  }
</style>
"""


def main() -> None:
    st.html(LAYOUT)
    row = layout.title_row()
    row.caption("Is there tumour in the centre 32×32 pixels? How likely, how certain, and why.", width="stretch")
    exports = Exports(row.container(width="content"))
    predictor = prevalence.adjusted(layout.predictor())
    left, right = _columns("predict")
    with left:
        given, left, crop = (st.container() for _ in range(3))  # the answer stands above the choice of what is seen
    with given:
        chosen = upload.choose(crop)
    kind = type(chosen).__name__
    left, right = widgets.place_for(kind, "left", left), widgets.place_for(kind, "right", right)
    if isinstance(chosen, Found):
        chosen = batch.draw(predictor, chosen, left, right, exports)
    elif isinstance(chosen, Tiled):
        chosen = tiles.draw(predictor, chosen, left, right, exports)
    elif chosen is not None:
        patch.draw(predictor, chosen, left, right, exports, with_slider=True)
        chosen = None
    if chosen is not None:
        st.divider()
        left, right = _columns("detail")
        patch.draw(predictor, chosen, left, right, exports, with_slider=False)
    exports.draw()


def _columns(key: str) -> tuple[DeltaGenerator, DeltaGenerator]:
    with st.container(key=key):
        left, right = st.columns([6, 12], gap="large")
    return left, right


layout.show(main)
