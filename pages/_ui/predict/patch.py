"""Predict: everything about one patch: result, maps, stains, neighbours, and what of it can be exported."""

from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.prediction import Predictor
from pages._ui.predict import origin, result, saliency, stains
from pages._ui.predict.exports import Exports
from pages._ui.predict.upload import Chosen


def draw(
    predictor: Predictor,
    chosen: Chosen,
    left: DeltaGenerator,
    right: DeltaGenerator,
    exports: Exports,
    *,
    with_slider: bool,
) -> None:
    """Draw a patch.

    Args:
        predictor: the chosen model.
        chosen: the patch.
        left: takes probability and verdict.
        right: takes the maps and what belongs to them.
        exports: takes the files.
        with_slider: whether the decision threshold is chosen here; else it was drawn before.
    """
    with left, st.container():  # keeps a place for what is shown while a data set is read
        chosen, found = origin.recognised(chosen)
    with left:
        about = partial(origin.draw, predictor, chosen, found)
        prediction = result.draw(predictor, chosen, about, with_slider=with_slider)
    with right:
        methods, overlay, options, view = saliency.controls(predictor)
        made = saliency.draw(predictor, chosen, methods, overlay, options)
        stains.draw(predictor, chosen, view)
        maps = saliency.trust(predictor, chosen, made, options)
        result.similar(chosen)
        saliency.not_offered(predictor)
    saliency.add_exports(exports, predictor, chosen, prediction, maps, overlay, options)
