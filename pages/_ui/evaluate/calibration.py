"""Evaluate: whether a probability means what it says, before and after temperature and bias."""

import streamlit as st
from scipy.special import expit

from core.display import MUTED
from core.evaluation import Reliability, reliability
from core.reports import evaluation_charts as charts
from core.scoring.dataset import Scored
from pages._ui.evaluate.context import EvaluationContext, chart_config, selected, set_look


def draw(context: EvaluationContext) -> None:
    """Draw the view."""
    card = context.predictor.bundle.card
    before, after = _diagrams(context.scored, key=context.key)
    st.markdown(
        f"Of 100 patches with a probability of 80 %, about 80 should hold tumour (**calibration**). On average the "
        f"model is off by **{after.ece:.1%}** (ECE); without temperature {card.calibration.temperature:.2f} and bias "
        f"{card.calibration.bias:+.2f}, which were fitted on validation patches, it would be {before.ece:.1%}."
    )
    if after.ece > before.ece:
        st.warning(
            f"Here calibration makes it worse: {before.ece:.1%} without, {after.ece:.1%} with it. These patches differ "
            "from those that it was fitted on, or those were too few. Rely on the order of the probabilities more than "
            "on their size.",
            icon=":material/warning:",
        )
    left, right = st.columns(2)
    with left:
        figure = charts.reliability(before, "Before: raw output", colour=MUTED)
        st.plotly_chart(figure, config=chart_config(), key="reliability_before", alt="Reliability before calibration")
    with right:
        st.plotly_chart(
            charts.reliability(after, "After: as shown to people"), config=chart_config(), key="reliability",
            on_select=_bin,
            selection_mode="points", alt="Reliability diagram",
        )  # fmt: skip
    st.caption(
        "On the dotted line the probability is right; below it the model is too sure of tumour, above it not sure "
        "enough. Bars: 95 % intervals. Press a point on the right to see its patches below."
    )


@st.cache_data(show_spinner=False, max_entries=16)
def _diagrams(_scored: Scored, *, key: str) -> tuple[Reliability, Reliability]:  # noqa: ARG001 - names `_scored`
    raw = expit(_scored.logits.astype(float))
    return reliability(_scored.labels, raw), reliability(_scored.labels, _scored.probabilities)


def _bin() -> None:
    number = selected("reliability")
    if isinstance(number, int | float):
        set_look(f"bin:{int(number)}")
