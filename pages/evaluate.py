"""Evaluate: how good a model is on labelled patches, and which patches it gets wrong."""

from collections.abc import Callable

import streamlit as st

from core.errors import NodescopeError
from core.scoring.dataset import CHOICES
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

PARTS = {
    "auto": "Not trained on",
    "test": "Test",
    "valid": "Validation",
    "train": "Training",
    "all": "All labelled",
}

VIEWS: dict[str, tuple[str, Callable[[EvaluationContext], None]]] = {
    "figures": ("Figures", metrics.draw),
    "probabilities": ("Calibration", calibration.draw),
    "triage": ("Triage", triage.draw),
    "slices": ("Slices", subgroups.draw),
    "compare": ("Compare", compare.draw),
    "checks": ("Checks", audits.draw),
    "export": ("Take away", export.draw),
}


def main() -> None:
    dataset = layout.dataset()
    widgets.title("Evaluate", dataset=dataset)
    predictor = layout.predictor()
    part = str(
        st.segmented_control(
            "Patches", list(CHOICES), format_func=PARTS.__getitem__, default="auto", key=state.PART,
            bind="query-params", required=True,
            help="Training and validation patches make a model look better than it is. *Not trained on* is the test "
            "part where the model was trained on such data, else everything.",
        )
    )  # fmt: skip
    scored = predictions.scored(predictor, dataset, part, layout.bundle_path())
    if scored is None:
        return
    st.caption(f"{predictor.bundle.card.name} on {dataset.name}: {scored.description}")
    if scored.unreadable:
        st.warning(f"{scored.unreadable:,} patches could not be read and are left out.")
    key = predictions.scored_key(predictor, dataset, part)
    threshold = metrics.threshold(scored, predictor.bundle.card.threshold, key=key)
    context = EvaluationContext(predictor, dataset, part, scored, threshold, key)
    view = st.segmented_control(
        "View", list(VIEWS), format_func=lambda name: VIEWS[name][0], default="figures", key=VIEW,
        bind="query-params", required=True, label_visibility="collapsed",
    )  # fmt: skip
    try:
        VIEWS[str(view)][1](context)
    except NodescopeError as error:
        layout.show_error(error)  # the patches below still stand
    if view not in ("checks", "export"):
        patches.draw(context)


layout.show(main)
