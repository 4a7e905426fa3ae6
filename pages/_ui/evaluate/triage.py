"""Evaluate: two thresholds that sort patches into clear, review and suspicious."""

import streamlit as st

from core.evaluation import threshold_for_sensitivity, threshold_for_specificity, triage
from core.reports import evaluation_charts as charts
from core.scoring.dataset import Scored
from pages._ui import cache, widgets
from pages._ui.evaluate.context import CLEAR_BELOW, SUSPICIOUS_FROM, EvaluationContext, chart_config


def draw(context: EvaluationContext) -> None:
    """Draw the view."""
    st.markdown(
        "Two thresholds sort patches into three groups (**triage**): *clear* needs no second look, *suspicious* comes "
        "first, and the rest is for *review*. How much work is saved, and how much tumour is missed?"
    )
    if not context.has_both_classes:
        st.info("These patches are all of one class; triage needs both classes.")
        return
    suggested = cache.recall("triage", context.key, lambda: _suggested(context.scored), most=16)
    st.session_state.setdefault(CLEAR_BELOW, suggested[0])
    st.session_state.setdefault(SUSPICIOUS_FROM, suggested[1])
    left, right, button = st.columns([3, 3, 2], vertical_alignment="bottom")
    lower = left.slider("Clear below", 0.0, 1.0, step=0.0001, format="%.3f", key=CLEAR_BELOW, persist_state="session")
    upper = right.slider(
        "Suspicious from", 0.0, 1.0, step=0.0001, format="%.3f", key=SUSPICIOUS_FROM, persist_state="session"
    )
    button.button(
        "Set both to 98%", on_click=st.session_state.update,
        args=(dict(zip((CLEAR_BELOW, SUSPICIOUS_FROM), suggested, strict=True)),),
        help="The thresholds with 98% sensitivity for clear and 98% specificity for suspicious on these patches.",
    )  # fmt: skip
    if lower > upper:
        st.warning("The threshold for clear is above the one for suspicious. Move one of them.")
        return
    scored = context.scored
    result = triage(scored.labels, scored.probabilities, clear_below=lower, suspicious_from=upper, groups=scored.slides)
    groups = (
        ("Cleared", result.share_clear, f"{result.clear:,} patches that nobody has to look at."),
        ("Tumour missed", result.cancers_missed, f"{result.missed:,} tumour patches among the cleared ones."),
        ("Left for review", result.share_review, f"{result.review:,} patches."),
        ("Tumour among suspicious", result.tumour_among_suspicious, f"{result.suspicious:,} suspicious patches."),
    )
    row = st.container(horizontal=True, gap="medium")
    for name, estimate, text in groups:
        widgets.estimated(name, estimate, ".1%", help=text, place=row)
    st.plotly_chart(charts.groups(result), config=widgets.CHART, key="triage_groups", alt="Share of each group")
    st.plotly_chart(
        charts.probabilities(scored.labels, scored.probabilities, ((lower, "clear below"), (upper, "suspicious from"))),
        config=chart_config(), key="triage_probabilities", alt="Probabilities by class",
    )  # fmt: skip
    over = "patches" if scored.slides is None else context.evaluation().described_slides
    st.caption(
        f"The second line is the 95% CI over {over}. Thresholds look better than they are on the patches that they "
        "were chosen on: choose them on validation patches and judge them on test patches. A slide is clear only if "
        "all of its patches are."
    )


def _suggested(scored: Scored) -> tuple[float, float]:
    lower = threshold_for_sensitivity(scored.labels, scored.probabilities, at_least=0.98)
    upper = threshold_for_specificity(scored.labels, scored.probabilities, at_least=0.98)
    # If the classes are well separated, 98% sensitivity allows a higher threshold than 98% specificity needs.
    return min(lower, upper), max(lower, upper)
