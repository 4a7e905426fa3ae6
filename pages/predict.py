"""Predict: a calibrated probability for a patch, and a map of what speaks for it."""

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.attribution import METHODS, Attribution, centre_share, overlay, saliency_map
from core.data import PATCH_SIZE, Dataset
from core.display import CLASS_COLOURS, enlarge, to_png, with_centre_box
from core.errors import NodescopeError, PatchError
from core.prediction import Predictor
from core.prediction.images import DecodedPatch, decode_patch
from pages._ui import explain, frame, state, widgets

ZOOM = 4
EXAMPLES = 8
TYPES = ["tif", "tiff", "png", "jpg", "jpeg", "webp"]


@dataclass(frozen=True)
class Chosen:
    """The patch that the page is about: where it comes from, its pixels, and its label where it is known."""

    name: str
    decoded: DecodedPatch
    label: int | None = None


def main() -> None:
    widgets.title("Predict")
    st.caption(
        "Is there tumour in the centre 32×32 pixels of a patch? The answer, how sure it is, and what speaks for it."
    )
    predictor = frame.predictor()
    upload, examples = st.columns([2, 3], gap="large")
    with upload:
        file = st.file_uploader(
            "Your patch", type=TYPES, key="upload",
            help="A 96×96 H&E patch at about 0.97 µm per pixel, as TIFF, PNG, JPEG or WebP. Of a larger image the "
            "centre 96×96 is taken.",
        )  # fmt: skip
    with examples:
        example = _examples(has_upload=file is not None)
    chosen = _decoded(file) if file is not None else example
    if chosen is None:
        st.info("Upload a patch, or press one of the examples.", icon=":material/upload:")
        return
    _answer(predictor, chosen)


def _decoded(file) -> Chosen | None:  # type: ignore[no-untyped-def]
    try:
        return Chosen(file.name, decode_patch(file.getvalue(), name=file.name))
    except PatchError as error:
        frame.show_error(error)
        return None


def _examples(*, has_upload: bool) -> Chosen | None:
    try:
        dataset = frame.dataset()
    except NodescopeError as error:
        st.caption(f"No examples: {error}")
        return None
    rows = _example_rows(dataset)
    if not len(rows):
        return None
    note = " (synthetic demo)" if dataset.is_synthetic else ""
    st.markdown(f"Or an example from {dataset.name}{note if 'demo' not in dataset.name else ''}")
    loaded = dataset.store.load(rows)
    chosen = int(st.session_state.get(state.EXAMPLE) or 0)
    for column, (number, row) in zip(st.columns(len(rows)), enumerate(rows), strict=True):
        column.image(to_png(enlarge(loaded.pixels[number], 2)), width="stretch")
        pressed = not has_upload and number == chosen
        column.button(
            f"{number + 1}", key=f"example-{number}", on_click=_choose, args=(number,), width="stretch",
            type="primary" if pressed else "secondary", help=f"Predict {dataset.table['id'].iloc[row]}",
            disabled=has_upload,
        )  # fmt: skip
    if has_upload:
        st.caption("Remove the upload to go back to the examples.")
        return None
    number = min(chosen, len(rows) - 1)
    row = int(rows[number])
    if number in loaded.unreadable:
        raise PatchError(loaded.unreadable[number])
    label = dataset.table["label"].iloc[row]
    decoded = DecodedPatch(loaded.pixels[number], (), (PATCH_SIZE, PATCH_SIZE))
    return Chosen(str(dataset.table["id"].iloc[row]), decoded, None if label is None or label != label else int(label))


def _example_rows(dataset: Dataset) -> np.ndarray:
    """Return the same few rows every time: tumour and normal in turn, from the test part where there is one."""
    table = dataset.table
    pool = (table["split"] == "test").to_numpy()
    label = table["label"].fillna(-1).to_numpy(dtype=np.int64)
    if not (pool & (label >= 0)).any():
        pool = np.ones(len(table), bool)
    draw = np.random.default_rng(3)
    kinds = [np.flatnonzero(pool & (label == kind)) for kind in (1, 0)]
    if not len(kinds[0]) or not len(kinds[1]):
        everything = np.flatnonzero(pool)
        return draw.choice(everything, size=min(EXAMPLES, len(everything)), replace=False)
    picks = [draw.choice(kind, size=min(EXAMPLES // 2, len(kind)), replace=False) for kind in kinds]
    return draw.permutation(np.concatenate(picks))


def _choose(number: int) -> None:
    st.session_state[state.EXAMPLE] = number


def _answer(predictor: Predictor, chosen: Chosen) -> None:
    pixels = chosen.decoded.pixels
    predictions = predictor.predict(pixels[None])
    probability, threshold = float(predictions.probabilities[0]), predictions.threshold
    st.divider()
    answer, picture, map_column = st.columns([3, 4, 4], gap="large")
    with answer:
        _verdict(chosen, probability, threshold)
    with map_column:
        method, opacity, boxes = _map_controls(predictor)
        attribution = explain.attribution(predictor, pixels, method)
        saliency = saliency_map(attribution)
        drawn = overlay(pixels, saliency, opacity=opacity, centre_box=boxes, zoom=ZOOM, fade=True)
        st.image(to_png(drawn), alt=f"{METHODS[method].label} over the patch")
        st.caption(_map_words(attribution, method))
    with picture:
        st.markdown("**The patch**")
        shown = enlarge(pixels, ZOOM)
        st.image(to_png(with_centre_box(shown, zoom=ZOOM) if boxes else shown), alt="The patch, enlarged four times")
        st.caption(
            f"{chosen.name} · 96×96 pixels enlarged {ZOOM} times, about {widgets.PATCH_MICROMETRES} µm wide. The box "
            "is the centre that the answer is about."
        )
        for note in chosen.decoded.notes:
            st.caption(f":material/info: {note}")


def _verdict(chosen: Chosen, probability: float, threshold: float) -> None:
    is_tumour = probability >= threshold
    name = widgets.label_name(int(is_tumour))
    st.markdown("**Probability of tumour in the centre**")
    st.markdown(f"## {probability:.1%}")
    st.plotly_chart(_scale(probability, threshold), config=widgets.CHART, key="scale", alt="Probability on a scale")
    colour = "red" if is_tumour else "green"
    st.markdown(
        f"Verdict: :{colour}[**{name}**] ({'at or above' if is_tumour else 'below'} the threshold {threshold:.3f})"
    )
    if chosen.label is not None:
        right = chosen.label == int(is_tumour)
        st.markdown(f"Label: **{widgets.label_name(chosen.label)}** — the verdict is {'right' if right else 'wrong'}")
    st.caption(
        "The probability is calibrated: of patches like those it was validated on, about that share has tumour. The "
        "threshold was chosen on validation patches."
    )
    st.caption(f"Exactly: {probability!r}")


def _scale(probability: float, threshold: float) -> go.Figure:
    figure = go.Figure()
    colour = CLASS_COLOURS[int(probability >= threshold)]
    figure.add_bar(x=[probability], y=[""], orientation="h", marker_color=colour, hoverinfo="skip", width=0.5)
    figure.add_vline(x=threshold, line={"dash": "dot", "width": 2, "color": "gray"})
    figure.update_layout(height=70, margin={"l": 8, "r": 16, "t": 4, "b": 22}, showlegend=False)
    figure.update_xaxes(range=[0, 1], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%", fixedrange=True)
    figure.update_yaxes(visible=False, fixedrange=True)
    return figure


def _map_controls(predictor: Predictor) -> tuple[str, float, bool]:
    methods = explain.methods(predictor)
    method = st.selectbox(
        "What speaks for it (saliency map)", methods, format_func=lambda name: METHODS[name].label, key=state.METHOD,
        bind="query-params", help="How the map is made. Each method asks another question of the network.",
    )  # fmt: skip
    opacity = st.slider("Opacity of the map", 0.0, 1.0, 0.6, 0.05, key=state.OPACITY, persist_state="session")
    boxes = st.toggle("Centre box", value=True, key=state.CENTRE_BOX, persist_state="session")
    return method, opacity, boxes


def _map_words(attribution: Attribution, method: str) -> str:
    share = centre_share(attribution)
    return (
        f"{METHODS[method].help} {share:.0%} of it lies in the centre box; chance would put 11% there. A map shows "
        "what moved the model, not where tumour is."
    )


frame.show(main)
