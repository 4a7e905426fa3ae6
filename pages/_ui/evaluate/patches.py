"""Evaluate: the patches that match what was clicked, sorted by loss."""

import numpy as np
import streamlit as st

from pages._ui.browse import detail, grid
from pages._ui.browse.columns import patch_columns
from pages._ui.evaluate import compare, subgroups
from pages._ui.evaluate.context import LOOK, TOP, VIEW, EvaluationContext, is_look, look_label, set_look

SHOWN = 45
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
        st.button("Compare", icon=":material/compare_arrows:", on_click=st.session_state.update,
                  args=({VIEW: "compare"},))  # fmt: skip
        return
    if not len(order):
        st.info("No patch matches at this threshold.")
        st.button(look_label(TOP), icon=":material/undo:", on_click=set_look, args=(TOP,))
        return
    st.caption(
        f"{len(order):,} patches{f', the first {SHOWN}' if len(order) > SHOWN else ''}: {_sorted_by(str(look))}. "
        "Outline: the label, solid red for tumour, dashed green for normal. Click a patch to open it."
    )
    patches = patch_columns(context.dataset)
    rows = context.scored.rows[order[:SHOWN]]
    grid.draw_gallery(patches, rows, name="Matching patches", key="matching")
    detail.draw(patches, [rows], threshold=context.threshold)


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
