"""Evaluate: how good a model is on labelled patches, and which patches it gets wrong."""

from collections.abc import Callable

import streamlit as st

from core.errors import NodescopeError
from pages._ui import layout, state, widgets
from pages._ui.evaluate import (
    audits,
    calibration,
    compare,
    export,
    metrics,
    patches,
    predictions,
    subgroups,
    triage,
)
from pages._ui.evaluate.context import VIEW, EvaluationContext

SUBSETS = {"auto": "Not trained on", "train": "Training", "valid": "Validation", "test": "Test", "all": "All labelled"}

VIEWS: dict[str, tuple[str, Callable[[EvaluationContext], None]]] = {
    "figures": ("Metrics", metrics.draw),
    "probabilities": ("Calibration", calibration.draw),
    "triage": ("Triage", triage.draw),
    "slices": ("Subgroups", subgroups.draw),
    "compare": ("Compare", compare.draw),
    "checks": ("Checks", audits.draw),
    "export": ("Export", export.draw),
}


def main() -> None:
    layout.title_row(of_data=True)
    dataset = layout.dataset()
    predictor = layout.predictor()
    subset = widgets.choice(
        "Patches", SUBSETS, key=state.SUBSET,
        help="A model looks better than it is on patches that it was trained or validated on. *Not trained on* is the "
        "test split where the model was trained on this data set, and all labelled patches elsewhere.",
    )  # fmt: skip
    path = layout.bundle_path()
    scored = predictions.scored(predictor, dataset, subset, path)
    if scored is None:
        return
    name = layout.model_name(path, predictor.bundle.card)
    st.caption(widgets.escaped(f"{name} on {dataset.name}: {scored.description}."))
    if scored.unreadable:
        st.warning(f"{scored.unreadable:,} patches could not be read and are excluded.")
    key = predictions.scored_key(predictor, dataset, subset)
    threshold = metrics.threshold(scored, predictor.bundle.card.threshold, key=key)
    context = EvaluationContext(predictor, dataset, subset, scored, threshold, key, name)
    view = widgets.choice("View", {name: label for name, (label, _) in VIEWS.items()}, key=VIEW, show_label=False)
    try:
        VIEWS[view][1](context)
    except NodescopeError as error:
        layout.show_error(error)  # the patches below are shown all the same
    if view not in ("checks", "export"):
        patches.draw(context)


layout.show(main)
