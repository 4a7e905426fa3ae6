"""Evaluate: how good a model is on labelled patches, and which patches it gets wrong."""

import numpy as np
import pandas as pd
import streamlit as st

from core.attribution import METHODS, overlay, saliency_map
from core.data import Dataset
from core.display import enlarge, mosaic, to_png, with_centre_box
from core.evaluation import (
    FIGURES,
    Evaluation,
    pr_points,
    reliability,
    roc_points,
    threshold_for_sensitivity,
    threshold_for_specificity,
)
from core.prediction import Predictor
from core.prediction.score import CHOICES, Scored
from pages._ui import cache, charts, explain, frame, state, widgets

PARTS = {
    "auto": "Not trained on (recommended)",
    "test": "Test",
    "valid": "Validation",
    "train": "Training",
    "all": "All labelled",
}
CELLS = {
    "all": "Everything",
    "fn": "Missed tumour",
    "fp": "False alarms",
    "tp": "Tumour found",
    "tn": "Normal, rightly",
}
SHOWN = 45


def main() -> None:
    dataset = frame.dataset()
    widgets.title("Evaluate", dataset=dataset)
    predictor = frame.predictor()
    part = st.segmented_control(
        "Patches", list(CHOICES), format_func=PARTS.__getitem__, default="auto", key=state.PART, bind="query-params",
        required=True, help="Training and validation patches make a model look better than it is.",
    )  # fmt: skip
    if not cache.is_scored(predictor, dataset, str(part)):
        _invitation(predictor, dataset)
        if not st.session_state.pop("evaluate-now", False):
            return
    scored = cache.scored(predictor, dataset, str(part))
    st.caption(f"{predictor.bundle.card.name} on {dataset.name}: {scored.part}")
    if scored.unreadable:
        st.warning(f"{scored.unreadable} patches could not be read and are left out.")
    threshold = _threshold(predictor, scored)
    evaluation = _evaluation(scored, threshold, key=_key(predictor, dataset, str(part)))
    figures, matrix = st.columns([3, 2], gap="large")
    with figures:
        _figures(evaluation)
    with matrix:
        _confusion(evaluation)
    _curves(scored, evaluation)
    _patches(predictor, dataset, scored, threshold)


def _key(predictor: Predictor, dataset: Dataset, part: str) -> str:
    return f"{predictor.bundle.digest}/{dataset.source}/{part}"


def _invitation(predictor: Predictor, dataset: Dataset) -> None:
    if "evaluate-now" in st.session_state:
        return
    st.info(
        f"Press the button to let **{predictor.bundle.card.name}** predict the patches of **{dataset.name}** and "
        "compare with their labels. A thousand patches take some seconds on a CPU; the button at the top "
        "right stops it.",
        icon=":material/query_stats:",
    )
    st.button("Evaluate", type="primary", icon=":material/play_arrow:", on_click=_wish)


def _wish() -> None:
    st.session_state["evaluate-now"] = True


@st.cache_data(show_spinner="Computing intervals …", max_entries=64)
def _evaluation(_scored: Scored, threshold: float, *, key: str) -> Evaluation:  # noqa: ARG001 - the key names `_scored`
    return _scored.evaluation(threshold)


def _threshold(predictor: Predictor, scored: Scored) -> float:
    own = predictor.bundle.card.threshold
    st.session_state.setdefault(state.THRESHOLD, own)
    targets = {
        "98 % sensitivity": threshold_for_sensitivity(scored.labels, scored.probabilities, at_least=0.98),
        "98 % specificity": threshold_for_specificity(scored.labels, scored.probabilities, at_least=0.98),
    }
    with st.container(horizontal=True, vertical_alignment="bottom"):
        threshold = st.slider(
            "Threshold: from this probability on the verdict is tumour", 0.0, 1.0, step=0.0001, format="%.3f",
            key=state.THRESHOLD, persist_state="session",
        )  # fmt: skip
        st.button("The model's own", on_click=_set, args=(own,), help=f"{own:.3f}, chosen on validation patches")
        for name, value in targets.items():
            st.button(name, on_click=_set, args=(value,), help="Reached on these patches; on others it may differ.")
    return float(threshold)


def _set(value: float) -> None:
    st.session_state[state.THRESHOLD] = min(max(value, 0.0), 1.0)


def _figures(evaluation: Evaluation) -> None:
    slides = f", intervals over {evaluation.slides} slides" if evaluation.resampled == "slide" else ""
    st.markdown(f"**Figures** · n = {evaluation.n:,} ({evaluation.positives:,} tumour){slides}")
    rows = [
        (FIGURES[name].label, f"{each.value:.4f}", f"{each.low:.4f} – {each.high:.4f}", FIGURES[name].help)
        for name, each in evaluation.figures.items()
    ]
    st.dataframe(
        pd.DataFrame(rows, columns=["figure", "value", "95 % interval", "in words"]), hide_index=True, height="content",
        column_config={"in words": st.column_config.TextColumn(width="large")},
    )  # fmt: skip


def _confusion(evaluation: Evaluation) -> None:
    st.markdown("**Confusion matrix**")
    st.plotly_chart(
        charts.confusion(evaluation.confusion), config=widgets.CHART, key="confusion", alt="Confusion matrix"
    )


def _curves(scored: Scored, evaluation: Evaluation) -> None:
    if not 0 < evaluation.positives < evaluation.n:
        st.info("These patches are of one class, for which there are no curves.")
        return
    labels, probabilities = scored.labels, scored.probabilities
    roc, precision, diagram = st.columns(3)
    with roc:
        figure = charts.roc(roc_points(labels, probabilities), evaluation)
        st.plotly_chart(figure, config=widgets.CHART, key="roc", alt="ROC curve")
    with precision:
        figure = charts.precision_recall(pr_points(labels, probabilities), evaluation)
        st.plotly_chart(figure, config=widgets.CHART, key="pr", alt="Precision-recall curve")
    with diagram:
        figure = charts.reliability(reliability(labels, probabilities))
        st.plotly_chart(figure, config=widgets.CHART, key="reliability", alt="Reliability diagram")


def _patches(predictor: Predictor, dataset: Dataset, scored: Scored, threshold: float) -> None:
    st.subheader("The patches behind it", anchor=False)
    called = scored.probabilities >= threshold
    is_tumour = scored.labels == 1
    masks = {
        "all": np.ones(len(called), bool),
        "fn": is_tumour & ~called,
        "fp": ~is_tumour & called,
        "tp": is_tumour & called,
        "tn": ~is_tumour & ~called,
    }
    cell = st.segmented_control(
        "Which", list(CELLS), format_func=lambda name: f"{CELLS[name]} ({int(masks[name].sum()):,})", default="all",
        key="cell", bind="query-params", required=True,
    )  # fmt: skip
    right = np.where(is_tumour, scored.probabilities, 1 - scored.probabilities)
    chosen = np.flatnonzero(masks[str(cell)])
    chosen = chosen[np.argsort(right[chosen], kind="stable")][:SHOWN]
    if not len(chosen):
        st.info("No patch falls in here at this threshold.")
        return
    st.caption("The most wrong first: highest loss at the top left. Outline: the label. Press a patch to see why.")
    rows = scored.rows[chosen]
    pixels = dataset.store.load(rows).pixels
    labels = [int(label) for label in scored.labels[chosen]]
    picture = mosaic(pixels, labels, columns=15, background=widgets.background())
    hover = [
        f"{dataset.table['id'].iloc[row]}<br>label {widgets.label_name(label)}<br>probability {probability:.1%}"
        for row, label, probability in zip(rows, labels, scored.probabilities[chosen], strict=True)
    ]
    clicked = widgets.gallery(picture, hover, key=f"losses-{cell}-{len(chosen)}-{rows[0]}")
    if clicked is not None:
        _why(predictor, str(dataset.table["id"].iloc[rows[clicked]]), pixels[clicked], labels[clicked],
             float(scored.probabilities[chosen][clicked]))  # fmt: skip


@st.dialog("Why", width="large", on_dismiss=widgets.forget_click)
def _why(predictor: Predictor, name: str, patch: np.ndarray, label: int, probability: float) -> None:
    method = explain.methods(predictor)[0]
    st.markdown(f"Label **{widgets.label_name(label)}**, probability of tumour **{probability:.1%}** · `{name}`")
    left, right = st.columns(2)
    left.image(to_png(with_centre_box(enlarge(patch, 4), zoom=4)), alt="The patch, enlarged four times")
    saliency = saliency_map(explain.attribution(predictor, patch, method))
    right.image(to_png(overlay(patch, saliency, opacity=0.6, zoom=4, fade=True)), alt="Saliency map over the patch")
    right.caption(f"{METHODS[method].label}: {METHODS[method].help}")


frame.show(main)
