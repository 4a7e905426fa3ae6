"""Predict: probabilities where tumour is rarer or more frequent than among the patches the model was calibrated on."""

from copy import copy

import streamlit as st

from core.bundle.prevalence import with_prevalence
from core.errors import NodescopeError
from core.evaluation import at_prevalence
from core.formatting import percent
from core.prediction import Predictor
from pages._ui import layout, state

LEAST, MOST = 0.1, 99.9
"""Percent; at 0 or 100 nothing would be left to predict."""


def adjusted(predictor: Predictor) -> Predictor:
    """Return the predictor for the prevalence that was chosen; the same one where none was."""
    wanted = st.session_state.get(state.PREDICT_PREVALENCE)
    if not wanted or not predictor.bundle.card.prevalence:
        return predictor
    try:
        # The network stays the same, so that nothing is loaded again.
        moved = copy(predictor)
        moved.bundle = with_prevalence(predictor.bundle, float(wanted) / 100)
    except NodescopeError as error:
        layout.show_error(error)
        return predictor
    return moved


def draw() -> None:
    """Draw the field for the prevalence, and what it changes."""
    own = layout.predictor().bundle.card.prevalence
    if not own:
        return
    wanted = st.number_input(
        "Prevalence where your patches come from, %", LEAST, MOST, None, 1.0, format="%.1f",
        key=state.PREDICT_PREVALENCE, persist_state="session", placeholder=f"as in validation: {100 * own:.1f}",
        help="The share of patches with tumour. Where it is lower than in validation, the same patch is less likely to "
        "hold tumour. The decision threshold stays. Leave it empty if you do not know.",
    )  # fmt: skip
    if wanted:
        half = float(at_prevalence([0.5], calibrated=own, wanted=wanted / 100)[0])
        st.caption(
            f"With tumour in {wanted:.1f}% of the patches instead of {100 * own:.1f}%, a probability of 50.0% becomes "
            f"{percent(half)}."
        )
