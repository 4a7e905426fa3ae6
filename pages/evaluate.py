"""Evaluate: how good a model is on labelled patches, and which patches it gets wrong."""

from collections.abc import Callable

import streamlit as st

from core.errors import NodescopeError
from core.prediction.score import CHOICES
from pages._ui import (
    evaluate_checks,
    evaluate_compare,
    evaluate_export,
    evaluate_figures,
    evaluate_patches,
    evaluate_probabilities,
    evaluate_scores,
    evaluate_slices,
    evaluate_triage,
    frame,
    state,
    widgets,
)
from pages._ui.evaluate_scene import VIEW, Scene

PARTS = {
    "auto": "Not trained on",
    "test": "Test",
    "valid": "Validation",
    "train": "Training",
    "all": "All labelled",
}

VIEWS: dict[str, tuple[str, Callable[[Scene], None]]] = {
    "figures": ("Figures", evaluate_figures.draw),
    "probabilities": ("Calibration", evaluate_probabilities.draw),
    "triage": ("Triage", evaluate_triage.draw),
    "slices": ("Slices", evaluate_slices.draw),
    "compare": ("Compare", evaluate_compare.draw),
    "checks": ("Checks", evaluate_checks.draw),
    "export": ("Take away", evaluate_export.draw),
}


def main() -> None:
    dataset = frame.dataset()
    widgets.title("Evaluate", dataset=dataset)
    predictor = frame.predictor()
    part = str(
        st.segmented_control(
            "Patches", list(CHOICES), format_func=PARTS.__getitem__, default="auto", key=state.PART,
            bind="query-params", required=True,
            help="Training and validation patches make a model look better than it is. *Not trained on* is the test "
            "part where the model was trained on such data, else everything.",
        )
    )  # fmt: skip
    scored = evaluate_scores.scored(predictor, dataset, part, frame.bundle_path())
    if scored is None:
        return
    st.caption(f"{predictor.bundle.card.name} on {dataset.name}: {scored.part}")
    if scored.unreadable:
        st.warning(f"{scored.unreadable:,} patches could not be read and are left out.")
    key = evaluate_scores.scored_key(predictor, dataset, part)
    threshold = evaluate_figures.threshold(scored, predictor.bundle.card.threshold, key=key)
    scene = Scene(predictor, dataset, part, scored, threshold, key)
    view = st.segmented_control(
        "View", list(VIEWS), format_func=lambda name: VIEWS[name][0], default="figures", key=VIEW,
        bind="query-params", required=True, label_visibility="collapsed",
    )  # fmt: skip
    try:
        VIEWS[str(view)][1](scene)
    except NodescopeError as error:
        frame.show_error(error)  # the patches below still stand
    if view not in ("checks", "export"):
        evaluate_patches.draw(scene)


frame.show(main)
