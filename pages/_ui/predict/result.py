"""Predict: the answer for one patch. Probability, verdict, spread, doubts and the patches that are most like it."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.data import Dataset
from core.display import CLASS_COLOURS, enlarge, outlined, to_png
from core.errors import NodescopeError
from core.features.neighbours import most_like
from core.formatting import percent
from core.prediction import Predictor
from core.prediction.result import PatchResult
from pages._ui import layout, results, state, widgets
from pages._ui.predict.upload import Chosen


def threshold(predictor: Predictor) -> float:
    """Draw the slider for the threshold; return the bundle's own to the last bit where it was not moved."""
    own = predictor.bundle.card.threshold
    shown = round(own, 3)
    chosen = st.slider(
        "Called tumour from", 0.0, 1.0, shown, 0.001, format="%.3f",
        key=f"{state.VERDICT_AT}-{predictor.bundle.digest}",
        persist_state="session",
        help=f"The threshold. The model's own is {own:.4f}, chosen on validation patches. A lower one misses less "
        "tumour and raises more false alarms.",
    )  # fmt: skip
    return _exact(own, float(chosen))


def chosen_threshold(predictor: Predictor) -> float:
    """Return the threshold at which the slider stands."""
    own = predictor.bundle.card.threshold
    return _exact(own, float(st.session_state.get(f"{state.VERDICT_AT}-{predictor.bundle.digest}", own)))


def _exact(own: float, shown: float) -> float:
    return own if abs(shown - round(own, 3)) < 1e-9 else shown


def ood(answer: PatchResult) -> None:
    """Draw the warning, where there is reason for one."""
    if answer.ood:
        st.warning(f"**Doubtful answer.** {answer.ood.sentence}", icon=":material/warning:")


def draw(predictor: Predictor, chosen: Chosen, *, with_slider: bool = True) -> PatchResult:
    """Draw probability and verdict; return the answer. A batch has drawn the slider for the threshold already."""
    heading = st.empty()
    number, scale = st.empty(), st.empty()
    verdict = st.empty()
    line = threshold(predictor) if with_slider else chosen_threshold(predictor)
    answer = results.patch_result(predictor, chosen.decoded.pixels, line)
    heading.markdown(
        "**Probability of tumour in the centre**",
        help="Calibrated: of validation patches with such a probability, about that share has tumour. Exactly "
        f"{answer.probability!r}.",
    )
    faded = "gray" if answer.ood else None
    shown = percent(answer.probability)
    number.markdown(f"## :{faded}[{shown}]" if faded else f"## {shown}")
    scale.plotly_chart(_scale(answer), config=widgets.CHART, key="scale", alt="Probability on a scale")
    colour = "red" if answer.is_tumour else "green"
    side = "at or above" if answer.is_tumour else "below"
    words = f"Verdict: :{colour}[**{answer.verdict}**] ({side} {answer.threshold:.3f})"
    if chosen.label is not None:
        right = "right" if chosen.label == int(answer.is_tumour) else "wrong"
        words += f"  \nLabel: **{chosen.label_words}**, so the verdict is {right}"
    verdict.markdown(words)
    st.caption(answer.operating_sentence)
    st.caption(answer.tta.sentence)
    if not answer.ood:
        st.caption(answer.ood.sentence)
    return answer


def _scale(answer: PatchResult) -> go.Figure:
    figure = go.Figure()
    colour = CLASS_COLOURS[int(answer.is_tumour)]
    figure.add_bar(x=[answer.probability], y=[0], orientation="h", marker_color=colour, hoverinfo="skip", width=0.5)
    figure.add_scatter(
        x=answer.tta.probabilities, y=[0.42] * len(answer.tta.probabilities), mode="markers",
        marker={"symbol": "line-ns-open", "size": 9, "color": "gray"},
        text=[percent(value) for value in answer.tta.probabilities],
        hovertemplate="flipped or turned: %{text}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=answer.threshold, line={"dash": "dot", "width": 2, "color": "gray"})
    figure.update_layout(height=76, margin={"l": 8, "r": 16, "t": 4, "b": 22}, showlegend=False)
    figure.update_xaxes(range=[0, 1], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%", fixedrange=True)
    figure.update_yaxes(visible=False, fixedrange=True, range=[-0.35, 0.6])
    return figure


def neighbours(predictor: Predictor, chosen: Chosen) -> None:
    """Draw the five labelled patches that are most like this one to the network."""
    try:
        neighbours_of(predictor, layout.dataset(), chosen.decoded.pixels, chosen.row)
    except NodescopeError as error:
        st.caption(f"No patches to compare with: {error}")


def neighbours_of(predictor: Predictor, dataset: Dataset, pixels: np.ndarray, row: int) -> None:
    """Draw the five labelled patches of a data set that are most like a patch; `row` is its own in it, or -1."""
    if not bool(dataset.table["label"].notna().any()):
        return
    with st.expander(f"Labelled patches of {dataset.name} that look most alike to the model"):
        _neighbours(predictor, dataset, pixels, row)


def _neighbours(predictor: Predictor, dataset: Dataset, pixels: np.ndarray, row: int) -> None:
    place = st.empty()
    known = results.index(predictor, dataset, ask_for=False)
    if known is None:
        pressed = place.button("Find them", icon=":material/image_search:", help="Once for each model and data set")
        if not pressed:
            return
        place.empty()
        known = results.index(predictor, dataset, ask_for=True)
    if known is None:
        return
    found = most_like(predictor, known, pixels, leave_out=row)
    loaded = dataset.store.load([neighbour.row for neighbour in found])
    for column, neighbour, picture in zip(st.columns(len(found)), found, loaded.pixels, strict=True):
        label = int(dataset.table["label"].iloc[neighbour.row])
        shown = outlined(enlarge(picture, 2), label, widgets.background())
        column.image(to_png(shown), width="stretch", alt=f"{widgets.label_name(label)} patch")
        column.caption(f"**{widgets.label_name(label)}** · cosine similarity {neighbour.similarity:.2f}")
    tumours = sum(int(dataset.table["label"].iloc[neighbour.row]) for neighbour in found)
    st.caption(
        f"{tumours} of {len(found)} are tumour. The cosine similarity compares what the network's last layer sees of "
        f"two patches. Searched: {known.description}."
    )
