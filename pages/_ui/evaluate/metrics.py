"""Evaluate: the figures, the curves and the confusion matrix at the threshold."""

import pandas as pd
import streamlit as st

from core.errors import EvaluationError
from core.evaluation import (
    METRICS,
    Curve,
    Estimate,
    Evaluation,
    pr_points,
    roc_points,
    threshold_for_sensitivity,
    threshold_for_specificity,
)
from core.reports import evaluation_charts as charts
from core.scoring.dataset import Scored
from pages._ui import state
from pages._ui.evaluate.context import THRESHOLD_OF, EvaluationContext, chart_config, selected, set_look, set_threshold

HEADLINE = ("auc", "accuracy", "sensitivity", "specificity", "ece")


def threshold(scored: Scored, own: float, *, key: str) -> float:
    """Draw the slider with its targets and return the threshold."""
    if st.session_state.get(THRESHOLD_OF) not in (None, key):
        st.session_state[state.THRESHOLD] = own
    elif state.THRESHOLD not in st.session_state:
        st.session_state[state.THRESHOLD] = _from_address(own)
    st.session_state[THRESHOLD_OF] = key
    with st.container(horizontal=True, vertical_alignment="bottom"):
        value = st.slider(
            "Threshold: from this probability on the verdict is tumour", 0.0, 1.0, step=0.0001, format="%.3f",
            key=state.THRESHOLD, bind="query-params",
        )  # fmt: skip
        st.button("The model's own", on_click=set_threshold, args=(own,), help=f"{own:.3f}, chosen on other patches")
        with st.popover("Reach a target", icon=":material/target:"):
            _targets(scored, key=key)
    return float(value)


def _from_address(own: float) -> float:
    """Return the threshold that the address asks for, or the model's own where it asks for none or nonsense."""
    try:
        value = float(st.query_params.get(state.THRESHOLD) or own)
    except ValueError:
        return own
    return value if 0 <= value <= 1 else own


def _targets(scored: Scored, *, key: str) -> None:
    st.caption("The threshold that reaches it on these patches. On others it may reach less.")
    kind = st.segmented_control(
        "At least", ["sensitivity", "specificity"], default="sensitivity", required=True, key="target_kind"
    )
    share = st.select_slider(
        "Target", [80, 90, 95, 98, 99, 100], value=98, format_func=lambda n: f"{n} %", key="target"
    )
    try:
        value = _target(scored, str(kind), share / 100, key=key)
    except EvaluationError as error:
        st.warning(str(error))
        return
    st.button(f"Set it to {value:.3f}", on_click=set_threshold, args=(value,), type="primary", key="set_target")


@st.cache_data(show_spinner=False, max_entries=64)
def _target(_scored: Scored, kind: str, share: float, *, key: str) -> float:  # noqa: ARG001 - the key names `_scored`
    find = threshold_for_sensitivity if kind == "sensitivity" else threshold_for_specificity
    return find(_scored.labels, _scored.probabilities, at_least=share)


def draw(context: EvaluationContext) -> None:
    """Draw the view."""
    evaluation = context.evaluation()
    _headline(evaluation)
    matrix, roc, precision = st.columns(3)
    ink = "#EAEAE8" if st.context.theme.type == "dark" else "#1E1E1C"
    with matrix:
        st.plotly_chart(
            charts.confusion(evaluation.confusion, ink=ink), config=chart_config(), key="confusion", on_select=_cell,
            selection_mode="points", alt="Confusion matrix",
        )  # fmt: skip
    if context.has_both_classes:
        roc_curve, pr_curve = _curves(context.scored, key=context.key)
        with roc:
            st.plotly_chart(
                charts.roc(roc_curve, evaluation), config=chart_config(), key="roc", on_select=lambda: _point("roc"),
                selection_mode="points", alt="ROC curve",
            )  # fmt: skip
        with precision:
            st.plotly_chart(
                charts.precision_recall(pr_curve, evaluation), config=chart_config(), key="pr",
                on_select=lambda: _point("pr"), selection_mode="points", alt="Precision-recall curve",
            )  # fmt: skip
    else:
        roc.info("These patches are all of one class, so there are no curves, and AUC is undefined.")
    st.caption("Press a cell to see its patches below, or a point of a curve to put the threshold there (◆).")
    with st.expander("All figures"):
        _table(evaluation)


def _headline(evaluation: Evaluation) -> None:
    for column, name in zip(st.columns(len(HEADLINE)), HEADLINE, strict=True):
        figure, estimate = METRICS[name], evaluation.metrics[name]
        with column:
            st.metric(figure.label, _value(estimate), help=figure.help)
            st.caption(_interval(estimate))
    unit = f"{evaluation.slides} slides" if evaluation.resampled == "slide" else "patches"
    st.caption(
        f"n = {evaluation.n:,} patches, {evaluation.positives:,} with tumour. The second line is the 95 % interval "
        f"over {unit}{'' if evaluation.resampled == 'slide' else ' (slides are unknown: too narrow for new slides)'}."
    )


def _value(estimate: Estimate) -> str:
    return f"{estimate.value:.3f}" if estimate.is_defined else "undefined"


def _interval(estimate: Estimate) -> str:
    return f"{estimate.low:.3f} – {estimate.high:.3f}" if estimate.has_interval else "interval unknown"


def _table(evaluation: Evaluation) -> None:
    rows = [
        (METRICS[name].label, _value(each), _interval(each), METRICS[name].help)
        for name, each in evaluation.metrics.items()
    ]
    st.dataframe(
        pd.DataFrame(rows, columns=["figure", "value", "95 % interval", "in words"]), hide_index=True, height="content",
        column_config={"in words": st.column_config.TextColumn(width="large")},
    )  # fmt: skip


@st.cache_data(show_spinner=False, max_entries=16)
def _curves(_scored: Scored, *, key: str) -> tuple[Curve, Curve]:  # noqa: ARG001 - the key names `_scored`
    return roc_points(_scored.labels, _scored.probabilities), pr_points(_scored.labels, _scored.probabilities)


def _cell() -> None:
    cell = selected("confusion")
    if isinstance(cell, str):
        set_look(f"cell:{cell}")


def _point(key: str) -> None:
    value = selected(key)
    if isinstance(value, int | float):
        set_threshold(value)
