"""Train: searches for settings."""

from functools import partial
from typing import get_args

import pandas as pd
import streamlit as st

from core.evaluation import METRICS
from core.reports import study_charts as charts
from core.runs import summarise_run
from core.storage.spreadsheet import plain
from core.studies.search import (
    MOST_TRIALS,
    RANDOM_TRIALS,
    Pruner,
    axes_of,
    create_search,
    extend_search,
    search_result,
)
from core.studies.search_result import SearchResult
from core.studies.search_space import DEFAULT_OVER, SPACE
from core.studies.study import Study
from pages._ui import widgets
from pages._ui.train import study_form

DARK_AXES = """<style>.parcoords .domain, .parcoords .tick line { stroke: #B0B0B0 !important; }</style>"""
"""Plotly draws the axes of parallel coordinates black, whatever the page is."""

PRUNERS = {
    "median": "below median",
    "hyperband": "Hyperband",
    "none": "never",
}


def form() -> None:
    """Draw the form and start what it asks for."""
    config = study_form.training("search")
    over = st.multiselect(
        "Settings to vary", list(SPACE), DEFAULT_OVER, key="search-over",
        format_func=lambda name: name.replace("_", " "),
        help="Ranges: " + "; ".join(f"{name.replace('_', ' ')} {axis.describe()}" for name, axis in SPACE.items()),
    )  # fmt: skip
    trials = st.number_input(
        "Trials", 1, 999, 20, key="search-trials",
        help="How many settings are tried. The first are those of the preset.",
    )  # fmt: skip
    pruner = st.selectbox(
        "End trials early", get_args(Pruner), key="search-pruner", format_func=lambda each: PRUNERS[each],
        help="A trial that does worse than the others did at the same epoch is not worth its time. *Below median* "
        f"ends what is behind the middle one of them, except among the first {RANDOM_TRIALS}; *Hyperband* halves the "
        "field again and again.",
    )  # fmt: skip
    if st.button("Start search", type="primary", icon=":material/play_arrow:", width="stretch", disabled=not over):
        study_form.start(lambda: create_search(config, trials=int(trials), over=over, pruner=pruner))


def more(study: Study) -> None:
    """Draw how a search goes on beyond the trials it was made with."""
    tried = study.settings()["trials"]
    most = MOST_TRIALS - tried
    if most < 1:
        return
    with st.popover("More trials", icon=":material/add:"):
        count = st.number_input(
            "More trials", 1, most, min(10, most), key=f"more-{study.name}",
            help=f"Beyond the {tried} it was made with. What came of those is kept, and the new ones build on it.",
        )  # fmt: skip
        st.button(
            f"Try {int(count)} more", type="primary", icon=":material/play_arrow:",
            on_click=study_form.go_on,
            args=(study, partial(extend_search, study, tried + int(count)), f"{tried + int(count)} trials"),
        )  # fmt: skip


def result(study: Study) -> str | None:
    """Draw what has come of the search; return the name of the run that was pressed, or None."""
    found = search_result(study)
    if not found.trials:
        st.caption("The trials appear here as they are made.")
        return None
    chosen = _best(study, found)
    _charts(study, found)
    return _table(study, found) or chosen


def _best(study: Study, found: SearchResult) -> str | None:
    best = found.best
    if best is None:
        return None
    with st.container(border=True):
        st.markdown(
            f"**Best trial: {best.number}**, validation AUC {best.auc:.4f}",
            help="Validation patches choose the trial, and the more trials, the luckier the best one: its AUC on them "
            "is too good. Its test figures are not, as long as nothing is chosen by them.",
        )
        words = (
            f"{name.replace('_', ' ')} **{value:.3g}**"
            if isinstance(value, float)
            else f"{name.replace('_', ' ')} **{value}**"
            for name, value in best.values.items()
        )
        st.markdown(" · ".join(words))
        # Read from the bundle, which takes too long to do every two seconds.
        kept = [run for run in study.runs() if run.name == best.run and not study.status().is_active]
        test = summarise_run(kept[0]).test_auc if kept else None
        if test is not None:
            st.caption(f"{METRICS['auc'].label} on its test patches: {test}")
        pressed = st.button("Show its run", icon=":material/arrow_forward:")
    return best.run if pressed else None


def _table(study: Study, found: SearchResult) -> str | None:
    rows = [
        {
            "trial": each.number,
            "state": each.state,
            "validation AUC": each.auc,
            "epochs": each.epochs,
            **{axis.name: each.values.get(axis.name) for axis in axes_of(study)},
            "run": each.run,
        }
        for each in found.trials
    ]
    table = pd.DataFrame(rows)
    floats = [axis.name for axis in axes_of(study) if not axis.choices]
    event = st.dataframe(
        table, hide_index=True, key=f"trials-{study.name}", on_select="rerun", selection_mode="single-row",
        column_config={
            "validation AUC": st.column_config.NumberColumn(format="%.4f", help="Of the best epoch"),
            **{axis.name: st.column_config.Column(axis.name.replace("_", " ")) for axis in axes_of(study)},
            **{name: st.column_config.NumberColumn(name.replace("_", " "), format="%.3g") for name in floats},
        },
    )  # fmt: skip
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.caption("Every trial is a run of its own, kept with its log and its settings. Press a row for its run.")
    safe = table.assign(run=table["run"].map(plain))
    right.download_button(
        "Trials as CSV", safe.to_csv(index=False, lineterminator="\n"), f"{study.name}-research-use-only.csv",
        "text/csv", icon=":material/download:",
    )  # fmt: skip
    selected = event["selection"]["rows"]
    return found.trials[selected[0]].run if selected else None


def _charts(study: Study, found: SearchResult) -> None:
    if not any(each.auc is not None and each.state != "running" for each in found.trials):
        st.caption("The charts appear when the first trial has come to its end.")
        return
    left, right = st.columns([3, 2])
    left.plotly_chart(
        charts.history(found), config=widgets.CHART, key=f"history-{study.name}",
        alt="Validation AUC of each trial, and the best so far",
    )  # fmt: skip
    if found.importance:
        right.plotly_chart(
            charts.importance(found), config=widgets.CHART, key=f"importance-{study.name}",
            alt="How much each setting had to do with the difference between trials",
        )  # fmt: skip
        right.caption("Optuna's estimate (PED-ANOVA) from the finished trials; rough while they are few.")
    else:
        right.caption(f"Which settings mattered can be said from {RANDOM_TRIALS} finished trials on.")
    is_dark = st.context.theme.type == "dark"
    if is_dark:
        st.html(DARK_AXES)
    st.plotly_chart(
        charts.parallel(found, axes_of(study), paper=f"rgb{widgets.background()}", is_dark=is_dark), theme=None,
        config=widgets.CHART, key=f"parallel-{study.name}",
        alt="A line a trial through the values of its settings to its validation AUC",
    )  # fmt: skip
    st.caption("A line is a trial, the bluer the better. Drag along an axis to see only the trials that pass there.")
