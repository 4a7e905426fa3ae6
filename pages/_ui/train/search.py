"""Train: hyperparameter searches."""

from typing import get_args

import pandas as pd
import streamlit as st

from core.bundle.bundle import read_card
from core.bundle.seen_slides import seen_sentence
from core.evaluation import METRICS
from core.reports import study_charts as charts
from core.runs import summarise_run
from core.storage.spreadsheet import table_csv
from core.studies.search import MOST_TRIALS, create_search, extend_search, search_result
from core.studies.search_result import SearchResult
from core.studies.search_space import DEFAULT_OVER, SPACE
from core.studies.search_trials import RANDOM_TRIALS, Pruner, axes_of
from core.studies.study import Study
from pages._ui import widgets
from pages._ui.train import curves, study_form

PRUNERS = {
    "median": "below median",
    "hyperband": "Hyperband",
    "none": "never",
}


def form(problems: list[str]) -> None:
    """Draw the form and start the study; `problems` are those of the page, and of the form by its end."""
    config = study_form.training("search", problems)
    over = st.multiselect(
        "Settings to vary", list(SPACE), DEFAULT_OVER, key="search-over",
        format_func=lambda name: name.replace("_", " "),
        help="Ranges: " + "; ".join(f"{name.replace('_', ' ')} {axis.describe()}" for name, axis in SPACE.items()),
    )  # fmt: skip
    if not over:
        widgets.wrong("Choose a setting to vary.", problems)
    trials = widgets.count(
        "Trials", 1, 999, 20, key="search-trials", problems=problems,
        help="How many combinations of settings are tried. The first is the preset.",
    )  # fmt: skip
    pruner = st.selectbox(
        "End trials early", get_args(Pruner), key="search-pruner", format_func=lambda each: PRUNERS[each],
        help="Ends trials that are worse than others at the same epoch, to save time (pruning). *Below median* ends "
        f"a trial below the median of the others, except the first {RANDOM_TRIALS}; *Hyperband* halves the number of "
        "trials repeatedly.",
    )  # fmt: skip
    if widgets.start_button("Start search", problems, width="stretch"):
        study_form.start(
            lambda: create_search(config, trials=trials, over=over, pruner=pruner, together=study_form.at_once())
        )


def more(study: Study, problems: list[str]) -> None:
    """Draw how to add trials to a search; `problems` are those of the page."""
    study_form.more(
        study, "trials", study.settings()["trials"], MOST_TRIALS, problems, suggested=10, verb="Try",
        extend=extend_search, help="Their results are kept, and the new trials build on them.",
    )  # fmt: skip


def result(study: Study) -> str | None:
    """Draw the results so far; return the name of the run that was clicked, or None."""
    found = search_result(study)
    if not found.trials:
        st.caption("The trials appear here when they start.")
        return None
    chosen = _best(study, found)
    _charts(study, found)
    return _table(study, found) or chosen


def _best(study: Study, found: SearchResult) -> str | None:
    best = found.best
    if best is None:
        return None
    # It is read from the bundle, which would take too long every two seconds.
    kept = [run for run in study.runs() if run.name == best.run and not study.status().is_active]
    cards = [read_card(run.bundle_path) for run in kept if run.bundle_path.is_file()]
    valid = [each.evaluation.metrics["auc"] for card in cards for each in card.measured if each.split == "valid"]
    span = f" (95% CI {valid[0].interval()})" if valid else ""
    with st.container(border=True):
        st.markdown(
            f"**Best trial: {best.number}**, validation AUC {best.auc:.3f}{span}",
            help="Validation patches choose the trial, so its validation AUC is too good, the more so with many "
            "trials. Its test metrics are unbiased as long as nothing is chosen by them. Trials whose AUC lies within "
            "the interval may well be as good.",
        )
        values = (f"{value:.3g}" if isinstance(value, float) else str(value) for value in best.values.values())
        parts = (f"{name.replace('_', ' ')} **{value}**" for name, value in zip(best.values, values, strict=True))
        st.markdown(" · ".join(parts))
        test = summarise_run(kept[0]) if kept else None
        if test is not None and test.test_auc is not None:
            st.caption(
                f"{METRICS['auc'].label} on its test split: {test.test_auc}. {seen_sentence(test.slides_in_training)}"
            )
        clicked = st.button("Show its run", icon=":material/arrow_forward:")
    return best.run if clicked else None


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
    row = widgets.clicked_row(
        table, key=f"trials-{study.name}",
        column_config={
            "validation AUC": st.column_config.NumberColumn(format="%.3f", help="Of the best epoch."),
            **{axis.name: st.column_config.Column(axis.name.replace("_", " ")) for axis in axes_of(study)},
            **{name: st.column_config.NumberColumn(name.replace("_", " "), format="%.3g") for name in floats},
        },
    )  # fmt: skip
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.caption("Every trial is a run of its own, kept with its log and its settings. Click a row to open its run.")
    widgets.export("Export CSV", table_csv(table, names=("run",)), f"{study.name}-research-use-only.csv", place=right)
    return None if row is None else found.trials[row].run


def _charts(study: Study, found: SearchResult) -> None:
    if not any(each.auc is not None and each.state != "running" for each in found.trials):
        st.caption("The charts appear when the first trial has ended.")
        return
    left, right = st.columns([3, 2])
    left.plotly_chart(
        charts.history(found), config=widgets.CHART, key=f"history-{study.name}",
        alt="Validation AUC of each trial, and the best so far",
    )  # fmt: skip
    if found.importance:
        right.plotly_chart(
            charts.importance(found), config=widgets.CHART, key=f"importance-{study.name}",
            alt="How much each setting explains the differences between trials",
        )  # fmt: skip
        right.caption("Optuna's estimate (PED-ANOVA) from the finished trials; it is rough while they are few.")
    else:
        right.caption(f"The importance of the settings appears after {RANDOM_TRIALS} finished trials.")
    trials = [each for each in found.trials if each.auc is not None]
    curves.show_parallel(
        axes_of(study), [each.values for each in trials], [each.auc or 0.0 for each in trials],
        key=f"parallel-{study.name}", one="trial",
    )  # fmt: skip
