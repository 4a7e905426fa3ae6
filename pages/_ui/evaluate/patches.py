"""Evaluate: the patches behind a number, the most wrong first, each opening with the reason."""

import numpy as np
import streamlit as st

from core.attribution import METHODS, overlay, saliency_map
from core.display import enlarge, mosaic, to_png, with_centre_box
from core.formatting import percent
from pages._ui import results, widgets
from pages._ui.browse import curation
from pages._ui.evaluate import compare, subgroups
from pages._ui.evaluate.context import LOOK, TOP, Scene, is_look, look_label
from pages._ui.predict import result

SHOWN = 45
COLUMNS = 15
ALWAYS = (TOP, "cell:fn", "cell:fp", "cell:tp", "cell:tn", "sure")


def draw(scene: Scene) -> None:
    """Draw the section; it follows what was pressed in the plots above."""
    st.subheader("The patches behind it", anchor=False)
    if LOOK not in st.session_state:
        said = st.query_params.get(LOOK) or TOP  # the address counts before the widget is there
        st.session_state[LOOK] = said if is_look(said) else TOP
    current = str(st.session_state[LOOK])
    extra = [current] if current not in ALWAYS and is_look(current) else []
    look = st.segmented_control(
        "Which", [*ALWAYS, *extra], format_func=look_label, key=LOOK, bind="query-params",
        required=True, label_visibility="collapsed",
    )  # fmt: skip
    order = _order(scene, str(look))
    if order is None:
        st.info("Choose a second model under Compare first.")
        return
    if not len(order):
        st.info("No patch falls in here at this threshold.")
        return
    st.caption(
        f"{len(order):,} patches{f', the first {SHOWN}' if len(order) > SHOWN else ''}: {_sorted_by(str(look))}. "
        "Outline: the label (red solid: tumour, green dashed: normal). Press a patch to see why."
    )
    _gallery(scene, order[:SHOWN], str(look))


def _sorted_by(look: str) -> str:
    words = {"differ": "the furthest apart first", "sure": "the nearest to the threshold first"}
    return words.get(look, "the most wrong first, by loss")


def _order(scene: Scene, look: str) -> np.ndarray | None:
    """Return positions in the scored set in the order to show them; None where a second model is missing."""
    kind, _, rest = look.partition(":")
    if kind == "differ":
        return compare.order(scene)
    if kind == "sure":
        return _first(np.abs(scene.scored.probabilities - scene.threshold), np.ones(len(scene.scored), bool))
    masks = {
        "cell": lambda: scene.cell(rest),
        "bin": lambda: scene.bin(int(rest)),
        "slice": lambda: subgroups.mask(scene, int(rest)),
    }
    mask = masks[kind]() if kind in masks else np.ones(len(scene.scored), bool)
    return _first(-scene.losses(), mask)


def _first(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(mask)
    ordered: np.ndarray = rows[np.argsort(values[rows], kind="stable")]
    return ordered


def _gallery(scene: Scene, order: np.ndarray, look: str) -> None:
    scored, table = scene.scored, scene.dataset.table
    rows = scored.rows[order]
    pixels = scene.dataset.store.load(rows).pixels
    labels = [int(label) for label in scored.labels[order]]
    picture = mosaic(pixels, labels, columns=COLUMNS, background=widgets.background())
    relabelled = curation.relabelled(scene.dataset)
    hover = [
        f"{name}<br>label {curation.label_words(label, relabelled.get(name))}<br>probability {percent(probability)}"
        for name, label, probability in zip(table["id"].iloc[rows], labels, scored.probabilities[order], strict=True)
    ]
    clicked = widgets.gallery(picture, hover, key=f"behind-{look}-{len(rows)}-{hash(rows.tobytes())}")
    if clicked is not None:
        _why(scene, int(order[clicked]), pixels[clicked])


@st.dialog("Why", width="large", on_dismiss=widgets.forget_click)
def _why(scene: Scene, position: int, patch: np.ndarray) -> None:
    scored = scene.scored
    row, label = int(scored.rows[position]), int(scored.labels[position])
    patch_id = str(scene.dataset.table["id"].iloc[row])
    probability = float(scored.probabilities[position])
    told = curation.label_words(label, curation.relabelled(scene.dataset).get(patch_id))
    verdict = "tumour" if probability >= scene.threshold else "normal"
    st.markdown(
        f"Label **{told}**, called **{verdict}** with a probability of tumour of "
        f"**{percent(probability)}** (threshold {scene.threshold:.1%}); loss {scene.losses()[position]:.2f}"
    )
    left, right = st.columns(2)
    left.image(to_png(with_centre_box(enlarge(patch, 4), zoom=4)), alt="The patch, enlarged four times")
    methods = results.methods(scene.predictor)
    with right:
        method = methods[0]
        saliency = saliency_map(results.attribution(scene.predictor, patch, method))
        st.image(to_png(overlay(patch, saliency, opacity=0.6, zoom=4, fade=True)), alt="Saliency map over the patch")
    right.caption(f"{METHODS[method].label}: {METHODS[method].help}")
    slide = "" if scored.slides is None else f" · slide `{scored.slides[position]}`"
    left.caption(f"`{patch_id}`{slide}")
    curation.buttons(scene.dataset, patch_id)
    result.neighbours_of(scene.predictor, scene.dataset, patch, row)
    _alike(scene, position)


def _alike(scene: Scene, position: int) -> None:
    """Show the patches with the nearest probability and the other label: what the model takes for the same."""
    scored = scene.scored
    other = np.flatnonzero(scored.labels != scored.labels[position])
    if not len(other):
        return
    near = np.abs(scored.logits[other] - scored.logits[position])
    chosen = other[np.argsort(near, kind="stable")[:10]]
    st.caption(
        f"The model is as sure of these, which are labelled {widgets.label_name(int(scored.labels[chosen[0]]))}:"
    )
    pixels = scene.dataset.store.load(scored.rows[chosen]).pixels
    labels = [int(label) for label in scored.labels[chosen]]
    picture = mosaic(pixels, labels, columns=len(chosen), background=widgets.background())
    st.image(to_png(picture.pixels), alt="Patches of the other label with the same output")
