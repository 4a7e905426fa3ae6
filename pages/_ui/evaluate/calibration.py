"""Evaluate: calibration, before and after temperature and bias."""

import streamlit as st
from scipy.special import expit

from core.display import MUTED
from core.evaluation import Reliability, reliability
from core.reports import evaluation_charts as charts
from pages._ui import cache
from pages._ui.evaluate.context import EvaluationContext, chart_config, selected, set_look


def draw(context: EvaluationContext) -> None:
    """Draw the view."""
    card = context.predictor.bundle.card
    before, after = _diagrams(context)
    st.markdown(
        f"Of 100 patches with a probability of 80%, about 80 should have tumour (**calibration**). On average the "
        f"model is off by **{after.ece:.1%}** (expected calibration error, ECE). Without temperature "
        f"{card.calibration.temperature:.2f} and bias {card.calibration.bias:+.2f}, which were fitted on validation "
        f"patches, it would be off by {before.ece:.1%}."
    )
    if after.ece > before.ece:
        st.warning(
            f"Here calibration makes the error larger: {before.ece:.1%} without it, {after.ece:.1%} with it. These "
            "patches differ from the validation patches, or there were too few of those. Trust the order of the "
            "probabilities more than their values.",
            icon=":material/warning:",
        )
    left, right = st.columns(2)
    with left:
        figure = charts.reliability(before, "Before calibration", colour=MUTED)
        st.plotly_chart(figure, config=chart_config(), key="reliability_before", alt="Reliability before calibration")
    with right:
        st.plotly_chart(
            charts.reliability(after, "After calibration"), config=chart_config(), key="reliability",
            on_select=_bin,
            selection_mode="points", alt="Reliability diagram",
        )  # fmt: skip
    st.caption(
        "On the dotted line the probability is right. Below it the probability of tumour is too high, above it too "
        "low. Bars are 95% CIs; points of fewer than ten patches are faint. Click a point after calibration to see "
        "its patches below."
    )


def _diagrams(context: EvaluationContext) -> tuple[Reliability, Reliability]:
    scored = context.scored

    def make() -> tuple[Reliability, Reliability]:
        raw = expit(scored.logits.astype(float))
        return reliability(scored.labels, raw), reliability(scored.labels, scored.probabilities)

    return cache.recall("reliability", context.key, make, most=16)


def _bin() -> None:
    number = selected("reliability")
    if isinstance(number, int | float):
        set_look(f"bin:{int(number)}")
