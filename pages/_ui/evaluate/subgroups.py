"""Evaluate: the metrics of subgroups of the patches, to see where the model is worse."""

import numpy as np
import pandas as pd
import streamlit as st

from core.data.dataset import GROUPS
from core.evaluation import METRICS, THRESHOLD_METRICS, Subgroup
from core.evaluation.subgroups import SMALL
from core.reports import evaluation_charts as charts
from core.scoring.subgroups import KINDS, groups_by, possible_kinds, subgroups_by
from pages._ui import cache, widgets
from pages._ui.evaluate.context import SUBGROUP_BY, SUBGROUP_METRIC, EvaluationContext, chart_config, selected, set_look

MOST = 60
"""Most subgroups in the plot; the table has all of them."""

Named = list[tuple[str, Subgroup]]


def draw(context: EvaluationContext) -> None:
    """Draw the view."""
    st.markdown("Where is the model worse? The same metrics for **subgroups** of the patches.")
    kinds = possible_kinds(context.dataset, context.scored)
    if not kinds:
        st.info("These patches cannot be divided into subgroups: neither their slides nor their appearance is known.")
        return
    left, right = st.columns([2, 1])
    by = widgets.choice(
        "By", {kind: KINDS[kind].label for kind in kinds}, key=SUBGROUP_BY, in_address=False, place=left
    )
    metric = right.selectbox(
        "Metric", ["accuracy", *(name for name in METRICS if name != "accuracy")], key=SUBGROUP_METRIC,
        format_func=lambda name: METRICS[name].label, persist_state="session",
    )  # fmt: skip
    found = _subgroups(context, by)
    order = _worst_first(found, metric)[:MOST] if by in GROUPS else list(range(len(found)))
    shown = [found[row] for row in order]
    st.plotly_chart(
        charts.estimates(
            [name for name, _ in shown], [each.metrics[metric] for _, each in shown],
            title=f"{METRICS[metric].label}, 95% CI; dotted: all patches",
            reference=context.evaluation().metrics[metric].value,
            notes=[f"n = {each.n:,}, {each.positives:,} tumour" for _, each in shown],
            faint=[each.is_small for _, each in shown],
        ),
        config=chart_config(), key="slices_chart", on_select=lambda: _pick(order), selection_mode="points",
        alt="Subgroups",
    )  # fmt: skip
    st.caption(" ".join(_remarks(by, found, len(order))))
    with st.expander("As a table"):
        _table(found)


def mask(context: EvaluationContext, number: int) -> np.ndarray:
    """Return a mask (n,) of the subgroup that was clicked; all False where it no longer exists."""
    by = str(st.session_state.get(SUBGROUP_BY) or "")
    if by in possible_kinds(context.dataset, context.scored):
        found = _subgroups(context, by)
        if number < len(found):
            # By the group's value: `groups_by` gives the value of each patch, and knows no numbers.
            wanted, groups = (
                found[number][1].value,
                cache.recall(
                    "groups", (context.key, by), lambda: groups_by(by, context.dataset, context.scored), most=32
                ),
            )
            return np.array([value == wanted for value in groups.tolist()], bool)
    return np.zeros(len(context.scored), bool)


def every(context: EvaluationContext) -> dict[str, Named]:
    """Return all subgroups of all kinds, for the report."""
    return {kind: _subgroups(context, kind) for kind in possible_kinds(context.dataset, context.scored)}


def _subgroups(context: EvaluationContext, by: str) -> Named:
    return cache.recall(
        "subgroups", (context.key, context.threshold, by),
        lambda: subgroups_by(by, context.dataset, context.scored, context.threshold),
        most=64, doing="Computing the subgroups …",
    )  # fmt: skip


def _worst_first(found: Named, metric: str) -> list[int]:
    sign = 1 if METRICS[metric].higher_is_better else -1
    values = [sign * each.metrics[metric].value for _, each in found]
    return sorted(range(len(found)), key=lambda row: (bool(np.isnan(values[row])), values[row]))


def _remarks(by: str, found: Named, shown: int) -> list[str]:
    remarks = [KINDS[by].help]
    small = sum(each.is_small for _, each in found)
    if small:
        remarks.append(
            f"{small} of {len(found)} subgroups have fewer than {SMALL} patches (hollow points) and are uncertain."
        )
    if shown < len(found):
        remarks.append(f"The {shown} worst of {len(found):,} are shown.")
    return [*remarks, "Click a point to see its patches below."]


def _table(found: Named) -> None:
    columns = ("auc", *THRESHOLD_METRICS[:4], "ece")
    rows = [
        {
            "subgroup": name,
            "n": each.n,
            "tumour": each.positives,
            "note": "few patches" if each.is_small else "",
            **{METRICS[metric].label: str(each.metrics[metric]) for metric in columns},
        }
        for name, each in found
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _pick(order: list[int]) -> None:
    position = selected("slices_chart")
    if isinstance(position, int | float):
        # The chart is sorted, worst first, and may be cut; the address holds the number among all subgroups.
        set_look(f"slice:{order[int(position)]}")
