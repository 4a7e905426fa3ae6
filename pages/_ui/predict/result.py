"""Predict: the result for one patch. Probability, verdict, TTA spread, OOD warnings and similar patches."""

from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st

from core.display import CLASS_COLOURS, MUTED
from core.errors import NodescopeError
from core.formatting import percent
from core.prediction import Predictor
from core.prediction.result import PatchResult
from core.reports.chart_theme import REFERENCE, empty_chart
from pages._ui import layout, neighbours, results, state, widgets
from pages._ui.predict import prevalence
from pages._ui.predict.upload import Chosen


def threshold(predictor: Predictor) -> float:
    """Draw the slider for the decision threshold; return the bundle's own to the last bit where it was not moved."""
    own = predictor.bundle.card.threshold
    shown = round(own, 3)
    chosen = st.slider(
        "Decision threshold", 0.0, 1.0, shown, 0.001, format="%.3f",
        key=_slider(),
        persist_state="session",
        help=f"At or above this probability, a patch is called tumour. The model's own is {own:.4f}, chosen on "
        "validation patches. A lower one misses less tumour and gives more false alarms.",
    )  # fmt: skip
    prevalence.draw()
    return _exact(own, float(chosen))


def chosen_threshold(predictor: Predictor) -> float:
    """Return the decision threshold of the slider."""
    own = predictor.bundle.card.threshold
    return _exact(own, float(st.session_state.get(_slider(), own)))


def _slider() -> str:
    # Of the model as it is: at another prevalence it keeps its threshold.
    return f"{state.VERDICT_AT}-{layout.predictor().bundle.digest}"


def _exact(own: float, shown: float) -> float:
    # The slider rounds to three decimals; a verdict must not change because the page was opened.
    return own if abs(shown - round(own, 3)) < 1e-9 else shown


def draw(
    predictor: Predictor, chosen: Chosen, draw_origin: Callable[[], None], *, with_slider: bool = True
) -> PatchResult:
    """Draw probability and verdict; return the result. A batch has drawn the slider for the threshold already."""
    # The slider is below what it decides, so the places above are filled after it is read. They are containers and not
    # empty ones: what stood in them stays until it is replaced, and nothing moves.
    warning, heading, number, scale, verdict = (st.container() for _ in range(5))
    at = threshold(predictor) if with_slider else chosen_threshold(predictor)
    prediction = results.patch_result(predictor, chosen.decoded.pixels, at)
    if prediction.ood:
        found = [each.sentence.removeprefix("Out-of-distribution: ") for each in prediction.ood.artifacts]
        reasons = " ".join(sentence[0].upper() + sentence[1:] for sentence in found)
        warning.warning(f"**Out-of-distribution.** {reasons}", icon=":material/warning:")
    heading.markdown(
        "**Probability of tumour in the centre**",
        help="Calibrated: of the validation patches with this probability, about this share has tumour. All digits: "
        f"{prediction.probability!r}.",
    )
    faded = "gray" if prediction.ood else None
    shown = percent(prediction.probability)
    number.markdown(f"## :{faded}[{shown}]" if faded else f"## {shown}")
    scale.plotly_chart(_scale(prediction), config=widgets.CHART, key="scale", alt="Probability on a scale")
    colour = "red" if prediction.is_tumour else "green"
    side = "at or above" if prediction.is_tumour else "below"
    text = f"Verdict: :{colour}[**{prediction.verdict}**] ({side} {prediction.threshold:.3f})"
    if chosen.label is not None:
        right = "right" if chosen.label == int(prediction.is_tumour) else "wrong"
        text += f"  \nLabel: **{chosen.label_words}**, so the verdict is {right}"
    with verdict:
        st.markdown(text)
        draw_origin()
    st.caption(prediction.operating_sentence)
    st.caption(prediction.tta.sentence)
    if not prediction.ood:
        st.caption(prediction.ood.sentence)
    return prediction


def _scale(prediction: PatchResult) -> go.Figure:
    figure = empty_chart(height=76, margin={"l": 8, "r": 16, "t": 4, "b": 22})
    colour = CLASS_COLOURS[int(prediction.is_tumour)]
    figure.add_bar(x=[prediction.probability], y=[0], orientation="h", marker_color=colour, hoverinfo="skip", width=0.5)
    figure.add_scatter(
        x=prediction.tta.probabilities, y=[0.42] * len(prediction.tta.probabilities), mode="markers",
        marker={"symbol": "line-ns-open", "size": 9, "color": MUTED},
        text=[percent(value) for value in prediction.tta.probabilities],
        hovertemplate="flipped or rotated: %{text}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=prediction.threshold, line=REFERENCE)
    figure.update_xaxes(range=[0, 1], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    return figure.update_yaxes(visible=False, range=[-0.35, 0.6])


def similar(chosen: Chosen) -> None:
    """Draw the labelled patches that are most similar to this one."""
    try:
        dataset = layout.dataset()
    except NodescopeError as error:
        st.caption(f"No patches to compare with: {error}")
        return
    if dataset.table["label"].notna().any():
        with st.expander(f"Similar labelled patches of {dataset.name}"):
            # Features do not depend on the prevalence, and are kept under the digest of the model as it is.
            neighbours.draw(layout.predictor(), dataset, chosen.decoded.pixels, chosen.row)
