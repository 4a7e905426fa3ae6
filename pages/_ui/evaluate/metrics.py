"""Evaluate: the metrics, the curves and the confusion matrix at the decision threshold."""

import numpy as np
import pandas as pd
import streamlit as st

from core.errors import EvaluationError
from core.evaluation import (
    METRICS,
    Band,
    Curve,
    Estimate,
    Evaluation,
    at_prevalence,
    net_benefit,
    pr_band,
    pr_points,
    predictive_values,
    roc_band,
    roc_points,
    threshold_for_sensitivity,
    threshold_for_specificity,
)
from core.evaluation.bootstrap import FEW
from core.evaluation.estimate import FEWEST
from core.reports import evaluation_charts as charts
from core.scoring.dataset import Scored
from pages._ui import cache, state, widgets
from pages._ui.evaluate.context import (
    PREVALENCE,
    THRESHOLD_OF,
    EvaluationContext,
    chart_config,
    selected,
    set_look,
    set_threshold,
)

HEADLINE = ("auc", "accuracy", "sensitivity", "specificity", "ece")


def threshold(scored: Scored, own: float, *, key: str) -> float:
    """Draw the slider with its targets and return the decision threshold."""
    # Other predictions begin at their model's own threshold; only the first ones take that of the address.
    if st.session_state.get(THRESHOLD_OF) not in (None, key):
        st.session_state[state.THRESHOLD] = own
    elif state.THRESHOLD not in st.session_state:
        st.session_state[state.THRESHOLD] = _from_address(own)
    st.session_state[THRESHOLD_OF] = key
    with st.container(horizontal=True, vertical_alignment="bottom"):
        value = st.slider(
            "Decision threshold", 0.0, 1.0, step=0.0001, format="%.3f",
            key=state.THRESHOLD, bind="query-params",
            help="At or above this probability, a patch is called tumour.",
        )  # fmt: skip
        st.button(
            "Reset threshold",
            on_click=set_threshold,
            args=(own,),
            help=f"Back to the model's own, {own:.3f}, which was chosen on validation patches.",
        )
        with st.popover("Reach a target", icon=":material/target:"):
            _targets(scored, key=key)
    return float(value)


def _from_address(own: float) -> float:
    """Return the threshold in the address, or the model's own where there is none or no number from 0 to 1."""
    try:
        value = float(st.query_params.get(state.THRESHOLD) or own)
    except ValueError:
        return own
    # Streamlit refuses a slider whose value is out of range, and people type addresses by hand.
    return value if 0 <= value <= 1 else own


def _targets(scored: Scored, *, key: str) -> None:
    st.caption("The threshold that reaches the target on these patches. On others it may reach less.")
    kind = st.segmented_control(
        "At least", ["sensitivity", "specificity"], default="sensitivity", required=True, key="target_kind"
    )
    share = st.select_slider("Target", [80, 90, 95, 98, 99, 100], value=98, format_func=lambda n: f"{n}%", key="target")
    try:
        find = threshold_for_sensitivity if kind == "sensitivity" else threshold_for_specificity
        value = cache.recall(
            "target", (key, kind, share), lambda: find(scored.labels, scored.probabilities, at_least=share / 100),
            most=64,
        )  # fmt: skip
    except EvaluationError as error:
        st.warning(str(error))
        return
    st.button(
        f"Set the threshold to {value:.3f}", on_click=set_threshold, args=(value,), type="primary", key="set_target"
    )


def draw(context: EvaluationContext) -> None:
    """Draw the view."""
    evaluation = context.evaluation()
    _headline(context, evaluation)
    matrix, roc, precision = st.columns(3)
    with matrix:
        st.plotly_chart(
            charts.confusion(evaluation.confusion), config=chart_config(), key="confusion", on_select=_cell,
            selection_mode="points", alt="Confusion matrix",
        )  # fmt: skip
    if context.has_both_classes:
        roc_curve, pr_curve, roc_shade, pr_shade = cache.recall(
            "curves", context.key, lambda: _curves(context.scored), most=16
        )
        with roc:
            st.plotly_chart(
                charts.roc(roc_curve, evaluation, roc_shade), config=chart_config(), key="roc",
                on_select=lambda: _point("roc"), selection_mode="points", alt="ROC curve",
            )  # fmt: skip
        with precision:
            st.plotly_chart(
                charts.precision_recall(pr_curve, evaluation, pr_shade), config=chart_config(), key="pr",
                on_select=lambda: _point("pr"), selection_mode="points", alt="Precision-recall curve",
            )  # fmt: skip
        shading = _shading(evaluation, roc_shade)
    else:
        roc.info("These patches are all of one class, so the AUC and the curves are undefined.")
        shading = ""
    st.caption(
        f"{shading} Click a cell to see its patches below, or a point of a curve to move the threshold there (◆)."
    )
    with st.expander("All metrics"):
        _table(evaluation)
    if context.has_both_classes:
        _use(context, evaluation)


def _use(context: EvaluationContext, evaluation: Evaluation) -> None:
    """Draw what the answers are worth where tumour is as frequent as the visitor says."""
    scored = context.scored
    observed = 100 * evaluation.positives / evaluation.n
    with st.expander("At another prevalence: predictive values and net benefit"):
        chosen = st.number_input(
            "Prevalence of tumour, %", value=observed, step=1.0, format="%.2f", key=PREVALENCE,
            persist_state="session",
            help=f"The share of patches with tumour where the model is to be used; here it is {observed:.1f}%. On a "
            "slide it is far lower than in a data set that was balanced by hand.",
        )  # fmt: skip
        prevalence = float(chosen) / 100
        if not 0 < prevalence < 1:
            st.warning(f"The prevalence must be above 0 and below 100 %, got {chosen:g} %.")
            return
        values = predictive_values(
            evaluation.metrics["sensitivity"], evaluation.metrics["specificity"], prevalence=prevalence
        )
        numbers, curve = st.columns([1, 2])
        for label, each, meaning in (
            ("PPV", values.ppv, "Of the patches that are called tumour, this share is."),
            ("NPV", values.npv, "Of the patches that are called normal, this share is."),
        ):
            widgets.estimated(label, each, ".1%", help=meaning, place=numbers)
        numbers.caption(
            "With sensitivity and specificity as measured here, at the decision threshold; the second line is at least "
            "a 95% CI."
        )
        thresholds = np.arange(0.01, 1, 0.01)
        model, everything = cache.recall(
            "net benefit", (context.key, prevalence),
            lambda: net_benefit(
                scored.labels,
                at_prevalence(scored.probabilities, calibrated=evaluation.positives / evaluation.n, wanted=prevalence),
                thresholds, prevalence=prevalence,
            ), most=32,
        )  # fmt: skip
        curve.plotly_chart(
            charts.decision_curve(thresholds, model, everything, threshold=context.threshold), config=chart_config(),
            key="decision_curve", alt="Decision curve",
        )  # fmt: skip
        curve.caption(
            "Probabilities are moved to that prevalence, as `predict --prevalence` moves them. Net benefit is the "
            "share of tumour found, less the false alarms: at a threshold of 20%, four false alarms weigh as much as "
            "one tumour missed. Where the model is not above both lines, it helps nobody."
        )


def _headline(context: EvaluationContext, evaluation: Evaluation) -> None:
    widgets.headline(evaluation.metrics, HEADLINE)
    widgets.seen_slides(context.slides_in_training())
    over = f"{evaluation.described_slides}."
    if evaluation.resampled == "patch":
        over = "patches: slides are unknown, so it is too narrow for new slides."
    st.caption(
        f"n = {evaluation.n:,} patches, {evaluation.positives:,} with tumour. The second line is the 95% CI over {over}"
    )


def _value(estimate: Estimate) -> str:
    return f"{estimate.value:.3f}" if estimate.is_defined else "undefined"


def _table(evaluation: Evaluation) -> None:
    rows = [
        (METRICS[name].label, _value(each), each.interval(), METRICS[name].help)
        for name, each in evaluation.metrics.items()
    ]
    st.dataframe(
        pd.DataFrame(rows, columns=["metric", "value", "95% CI", "meaning"]), hide_index=True, height="content",
        column_config={"meaning": st.column_config.TextColumn(width="large")},
    )  # fmt: skip


def _curves(scored: Scored) -> tuple[Curve, Curve, Band | None, Band | None]:
    given = scored.labels, scored.probabilities
    return roc_points(*given), pr_points(*given), roc_band(*given, scored.slides), pr_band(*given, scored.slides)


def _shading(evaluation: Evaluation, band: Band | None) -> str:
    if band is None:
        return (
            f"The curves have no band: it needs {FEWEST} {evaluation.resampled}s with tumour patches and {FEWEST} with "
            "normal ones."
        )
    over = f"{evaluation.slides} {evaluation.resampled}s" if band.over == "slide" else f"{evaluation.n:,} patches"
    words = f"Shaded: 95% CI of the height of the curve at each place, over {over}."
    if band.over == "slide" and (evaluation.slides or 0) < FEW:
        words += " It is wide because these are few: even where all of them agree, the next one may differ."
    return words


def _cell() -> None:
    cell = selected("confusion")
    if isinstance(cell, str):
        set_look(f"cell:{cell}")


def _point(key: str) -> None:
    value = selected(key)
    if isinstance(value, int | float):
        set_threshold(value)
