"""Evaluate: two thresholds that sort patches into clear, review and suspicious."""

import streamlit as st

from core.evaluation import Estimate, threshold_for_sensitivity, threshold_for_specificity, triage
from core.reports import evaluation_charts as charts
from core.scoring.dataset import Scored
from pages._ui.evaluate.context import CLEAR_BELOW, SUSPICIOUS_FROM, EvaluationContext, chart_config


def draw(context: EvaluationContext) -> None:
    """Draw the view."""
    st.markdown(
        "Two thresholds make three groups (**triage**): *clear* needs no second look, *suspicious* goes first, and "
        "the rest is for *review*. How much work is saved, and what is missed?"
    )
    if not context.has_both_classes:
        st.info("These patches are all of one class; triage needs both.")
        return
    suggested = _suggested(context.scored, key=context.key)
    st.session_state.setdefault(CLEAR_BELOW, suggested[0])
    st.session_state.setdefault(SUSPICIOUS_FROM, suggested[1])
    left, right, button = st.columns([3, 3, 2], vertical_alignment="bottom")
    lower = left.slider("Clear below", 0.0, 1.0, step=0.0001, format="%.3f", key=CLEAR_BELOW, persist_state="session")
    upper = right.slider(
        "Suspicious from", 0.0, 1.0, step=0.0001, format="%.3f", key=SUSPICIOUS_FROM, persist_state="session"
    )
    button.button(
        "98 % and 98 %", on_click=_set, args=suggested,
        help="Clear with 98 % sensitivity, suspicious with 98 % specificity, as reached on these patches.",
    )  # fmt: skip
    if lower > upper:
        st.warning("The threshold to clear lies above the one for suspicious. Move one of them.")
        return
    scored = context.scored
    result = triage(scored.labels, scored.probabilities, clear_below=lower, suspicious_from=upper)
    figures = (
        ("Cleared", result.share_clear, f"{result.clear:,} patches that nobody would have to look at"),
        ("Tumour missed", result.cancers_missed, f"{result.missed:,} tumour patches among the cleared"),
        ("Left for review", result.share_review, f"{result.review:,} patches"),
        ("Tumour among suspicious", result.tumour_among_suspicious, f"{result.suspicious:,} suspicious patches"),
    )
    for column, (name, estimate, text) in zip(st.columns(4), figures, strict=True):
        column.metric(name, _percent(estimate.value), help=text)
        column.caption(_interval(estimate))
    st.plotly_chart(charts.groups(result), config=chart_config(), key="triage_groups", alt="Share of each group")
    st.plotly_chart(
        charts.probabilities(scored.labels, scored.probabilities, ((lower, "clear below"), (upper, "suspicious from"))),
        config=chart_config(), key="triage_probabilities", alt="Probabilities by class",
    )  # fmt: skip
    st.caption(
        "Intervals: 95 %, over patches. Thresholds chosen on the patches they are judged on flatter themselves; "
        "choose on validation patches, judge on test patches. A slide is cleared only if all of its patches are."
    )


@st.cache_data(show_spinner=False, max_entries=16)
def _suggested(_scored: Scored, *, key: str) -> tuple[float, float]:  # noqa: ARG001 - the key names `_scored`
    lower = threshold_for_sensitivity(_scored.labels, _scored.probabilities, at_least=0.98)
    upper = threshold_for_specificity(_scored.labels, _scored.probabilities, at_least=0.98)
    return min(lower, upper), max(lower, upper)


def _set(lower: float, upper: float) -> None:
    st.session_state[CLEAR_BELOW], st.session_state[SUSPICIOUS_FROM] = lower, upper


def _percent(value: float) -> str:
    return "undefined" if value != value else f"{value:.1%}"


def _interval(estimate: Estimate) -> str:
    return f"{estimate.low:.1%} – {estimate.high:.1%}" if estimate.has_interval else "interval unknown"
