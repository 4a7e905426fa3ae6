"""Evaluate: the patches that match what was clicked, sorted by loss, each with its saliency map on a click."""

import numpy as np
import streamlit as st

from core.attribution import METHODS, overlay, saliency_map
from core.display import enlarge, mosaic, to_png, with_centre_box
from core.formatting import percent
from pages._ui import cache, neighbours, results, widgets
from pages._ui.browse import curation
from pages._ui.evaluate import compare, subgroups
from pages._ui.evaluate.context import LOOK, TOP, EvaluationContext, is_look, look_label

SHOWN = 45
COLUMNS = 15
ALWAYS = (TOP, "cell:fn", "cell:fp", "cell:tp", "cell:tn", "sure")


def draw(context: EvaluationContext) -> None:
    """Draw the section; it follows what was clicked in the plots above."""
    st.subheader("Matching patches", anchor=False)
    if LOOK not in st.session_state:
        given = st.query_params.get(LOOK) or TOP  # people may type names; labels are read by the widget itself
        st.session_state[LOOK] = given if is_look(given) else TOP
    current = str(st.session_state[LOOK])
    extra = [current] if current not in ALWAYS and is_look(current) else []
    look = st.segmented_control(
        "Which", [*ALWAYS, *extra], format_func=look_label, key=LOOK, bind="query-params",
        required=True, label_visibility="collapsed",
    )  # fmt: skip
    order = _order(context, str(look))
    if order is None:
        st.info("Choose a second model under Compare first.")
        return
    if not len(order):
        st.info("No patch matches at this threshold.")
        return
    st.caption(
        f"{len(order):,} patches{f', the first {SHOWN}' if len(order) > SHOWN else ''}: {_sorted_by(str(look))}. "
        "Outline: the label, solid red for tumour, dashed green for normal. Click a patch to see its saliency map."
    )
    _gallery(context, order[:SHOWN], str(look))


def _sorted_by(look: str) -> str:
    orders = {"differ": "largest difference first", "sure": "closest to the threshold first"}
    return orders.get(look, "largest loss first")


def _order(context: EvaluationContext, look: str) -> np.ndarray | None:
    """Return positions in the scored set in the order to show them; None where a second model is missing."""
    kind, _, rest = look.partition(":")
    if kind == "differ":
        return compare.order(context)
    if kind == "sure":
        return _first(np.abs(context.scored.probabilities - context.threshold), np.ones(len(context.scored), bool))
    masks = {
        "cell": lambda: context.cell(rest),
        "bin": lambda: context.bin(int(rest)),
        "slice": lambda: subgroups.mask(context, int(rest)),
    }
    mask = masks[kind]() if kind in masks else np.ones(len(context.scored), bool)
    return _first(-context.losses(), mask)


def _first(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(mask)
    return np.asarray(rows[np.argsort(values[rows], kind="stable")])


def _gallery(context: EvaluationContext, order: np.ndarray, look: str) -> None:
    scored, table = context.scored, context.dataset.table
    rows = scored.rows[order]
    pixels = context.dataset.store.load(rows).pixels
    labels = [int(label) for label in scored.labels[order]]
    picture = mosaic(pixels, labels, columns=COLUMNS, background=widgets.background())
    relabelled = cache.relabelled(context.dataset)
    hover = [
        f"{name}<br>label {curation.label_words(label, relabelled.get(name))}<br>probability {percent(probability)}"
        for name, label, probability in zip(table["id"].iloc[rows], labels, scored.probabilities[order], strict=True)
    ]
    # The key names the rows, so that a click on an earlier picture never opens a patch of this one.
    clicked = widgets.gallery(picture, hover, key=f"behind-{look}-{len(rows)}-{hash(rows.tobytes())}")
    if clicked is not None:
        _why(context, int(order[clicked]), pixels[clicked])


@st.dialog("Patch", width="large", on_dismiss=widgets.forget_click)
def _why(context: EvaluationContext, position: int, patch: np.ndarray) -> None:
    scored = context.scored
    row, label = int(scored.rows[position]), int(scored.labels[position])
    patch_id = str(context.dataset.table["id"].iloc[row])
    probability = float(scored.probabilities[position])
    label_text = curation.label_words(label, cache.relabelled(context.dataset).get(patch_id))
    verdict = "tumour" if probability >= context.threshold else "normal"
    st.markdown(
        f"Label **{label_text}**, called **{verdict}** with a probability of tumour of "
        f"**{percent(probability)}** (decision threshold {context.threshold:.1%}); loss "
        f"{context.losses()[position]:.2f}."
    )
    left, right = st.columns(2)
    left.image(to_png(with_centre_box(enlarge(patch, 4), zoom=4)), alt="The patch, enlarged four times")
    methods = results.methods(context.predictor)
    with right:
        method = methods[0]
        saliency = saliency_map(results.attribution(context.predictor, patch, method))
        st.image(to_png(overlay(patch, saliency, opacity=0.6, zoom=4, fade=True)), alt="Saliency map over the patch")
    right.caption(f"{METHODS[method].label}: {METHODS[method].help}")
    slide = "" if scored.slides is None else f" · slide `{scored.slides[position]}`"
    left.caption(f"`{patch_id}`{slide}")
    curation.buttons(context.dataset, patch_id)
    with st.expander("Similar labelled patches"):
        neighbours.draw(context.predictor, context.dataset, patch, row)
    _alike(context, position)


def _alike(context: EvaluationContext, position: int) -> None:
    """Show the patches with the closest probability and the other label: the model cannot tell them from this one."""
    scored = context.scored
    other = np.flatnonzero(scored.labels != scored.labels[position])
    if not len(other):
        return
    near = np.abs(scored.logits[other] - scored.logits[position])
    chosen = other[np.argsort(near, kind="stable")[:10]]
    st.caption(
        "The model gives nearly the same probability to these, labelled "
        f"{widgets.label_name(1 - int(scored.labels[position]))}:"
    )
    pixels = context.dataset.store.load(scored.rows[chosen]).pixels
    labels = [int(label) for label in scored.labels[chosen]]
    picture = mosaic(pixels, labels, columns=len(chosen), background=widgets.background())
    st.image(to_png(picture.pixels), alt="Patches of the other label with the same output")
