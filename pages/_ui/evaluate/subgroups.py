"""Evaluate: the figures of parts of the patches, to see where the model is worse."""

import numpy as np
import pandas as pd
import streamlit as st

from core.data import Dataset
from core.evaluation import METRICS, THRESHOLD_METRICS, Subgroup
from core.reports import evaluation_charts as charts
from core.scoring.dataset import Scored
from core.scoring.subgroups import KINDS, SMALL, groups_by, possible_kinds, subgroups_by
from pages._ui.evaluate.context import SLICE_BY, SLICE_FIGURE, EvaluationContext, chart_config, selected, set_look

MOST = 60
"""Slices in the plot; the table has all."""

Named = list[tuple[str, Subgroup]]


def draw(context: EvaluationContext) -> None:
    """Draw the view."""
    st.markdown("Where is the model worse? The same figures for parts of the patches (**slices**).")
    kinds = possible_kinds(context.dataset, context.scored)
    if not kinds:
        st.info("Nothing is known of these patches by which they could be taken apart.")
        return
    left, right = st.columns([2, 1])
    by = left.segmented_control(
        "By", kinds, format_func=lambda kind: KINDS[kind].label, default=kinds[0], required=True, key=SLICE_BY,
        persist_state="session",
    )  # fmt: skip
    figure = right.selectbox(
        "Figure", ["accuracy", *(name for name in METRICS if name != "accuracy")], key=SLICE_FIGURE,
        format_func=lambda name: METRICS[name].label, persist_state="session",
    )  # fmt: skip
    found = _slices(context, str(by))
    order = _worst_first(found, figure)[:MOST] if by == "slide" else list(range(len(found)))
    shown = [found[row] for row in order]
    st.plotly_chart(
        charts.estimates(
            [name for name, _ in shown], [each.metrics[figure] for _, each in shown],
            title=f"{METRICS[figure].label}, 95 % intervals; dotted: all patches",
            reference=context.evaluation().metrics[figure].value,
            notes=[f"n = {each.n:,}, {each.positives:,} tumour" for _, each in shown],
            faint=[each.is_small for _, each in shown],
        ),
        config=chart_config(), key="slices_chart", on_select=lambda: _pick(order), selection_mode="points",
        alt="Slices",
    )  # fmt: skip
    st.caption(" ".join(_remarks(str(by), found, len(order))))
    with st.expander("As a table"):
        _table(found)


def mask(context: EvaluationContext, number: int) -> np.ndarray:
    """Return a mask (n,) of the slice that was pressed; none where it is not there any more."""
    by = str(st.session_state.get(SLICE_BY) or "")
    if by in possible_kinds(context.dataset, context.scored):
        found = _slices(context, by)
        if number < len(found):
            wanted = found[number][1].value
            return np.array([value == wanted for value in _groups(context, by).tolist()], bool)
    return np.zeros(len(context.scored), bool)


def every(context: EvaluationContext) -> dict[str, Named]:
    """Return all slices of all kinds, for the report."""
    return {kind: _slices(context, kind) for kind in possible_kinds(context.dataset, context.scored)}


def _slices(context: EvaluationContext, by: str) -> Named:
    return _computed(context.dataset, context.scored, context.threshold, by, key=context.key)


@st.cache_data(show_spinner="Computing the slices …", max_entries=64)
def _computed(
    _dataset: Dataset,
    _scored: Scored,
    threshold: float,
    by: str,
    *,
    key: str,  # noqa: ARG001 - names data set and predictions
) -> Named:
    return subgroups_by(by, _dataset, _scored, threshold)


def _groups(context: EvaluationContext, by: str) -> np.ndarray:
    return _grouped(context.dataset, context.scored, by, key=context.key)


@st.cache_data(show_spinner=False, max_entries=32)
def _grouped(_dataset: Dataset, _scored: Scored, by: str, *, key: str) -> np.ndarray:  # noqa: ARG001 - names the others
    return groups_by(by, _dataset, _scored)


def _worst_first(found: Named, figure: str) -> list[int]:
    sign = 1 if METRICS[figure].higher_is_better else -1
    values = [sign * each.metrics[figure].value for _, each in found]
    return sorted(range(len(found)), key=lambda row: (bool(np.isnan(values[row])), values[row]))


def _remarks(by: str, found: Named, shown: int) -> list[str]:
    remarks = [KINDS[by].help]
    small = sum(each.is_small for _, each in found)
    if small:
        remarks.append(
            f"{small} of {len(found)} slices have fewer than {SMALL} patches (hollow points): read little into them."
        )
    if shown < len(found):
        remarks.append(f"The {shown} worst of {len(found):,} are drawn.")
    return [*remarks, "Press a point to see its patches below."]


def _table(found: Named) -> None:
    columns = ("auc", *THRESHOLD_METRICS[:4], "ece")
    rows = [
        {
            "slice": name,
            "n": each.n,
            "tumour": each.positives,
            "note": "few patches" if each.is_small else "",
            **{METRICS[figure].label: str(each.metrics[figure]) for figure in columns},
        }
        for name, each in found
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _pick(order: list[int]) -> None:
    position = selected("slices_chart")
    if isinstance(position, int | float):
        set_look(f"slice:{order[int(position)]}")
