"""Train: cross-validations."""

from typing import Any

import pandas as pd
import streamlit as st

from core.evaluation import METRICS, Estimate
from core.reports import study_charts as charts
from core.studies.cross_validation import (
    BY_NAMES,
    MOST_FOLDS,
    create_folds,
    finished_folds,
    folds_result,
    out_of_fold,
)
from core.studies.cross_validation_result import FoldsResult
from core.studies.study import Study
from pages._ui import widgets
from pages._ui.train import curves, study_form

AS_THEY_ALLOW = "as the data allow"
SHOWN = ("auc", "accuracy", "sensitivity", "specificity")


def form() -> None:
    """Draw the form and start what it asks for."""
    config = study_form.training("folds")
    count = st.number_input(
        "Folds", 2, MOST_FOLDS, 5, key="folds-count",
        help="Into how many parts the patches are divided. So many runs are trained, each on all parts but one.",
    )  # fmt: skip
    together = st.selectbox(
        "What stays together", [AS_THEY_ALLOW, *BY_NAMES], key="folds-by",
        format_func=lambda each: BY_NAMES.get(each, each),
        help="Patches of one slide look alike, so whole slides should stay together. As the data allow: whole slides "
        "where they are known, else single patches.",
    )  # fmt: skip
    if st.button("Start cross-validation", type="primary", icon=":material/play_arrow:", width="stretch"):
        by = next((each for each in BY_NAMES if each == together), None)
        study_form.start(lambda: create_folds(config, folds=int(count), by=by))


def result(study: Study) -> str | None:
    """Draw what has come of the study; return the name of the run that was pressed, or None."""
    found = folds_result(study)
    if found is not None:
        _means(found)
    chosen = _table(study, found)
    if found is not None:
        _charts(study, found)
    else:
        _curves(study)
    return chosen


def _means(found: FoldsResult) -> None:
    with st.container(border=True):
        st.markdown(
            f"**Mean over {len(found.folds)} folds**, each tested on patches that its run never saw",
            help="What to expect of a model that is trained in this way. The interval allows for runs that share "
            "training patches (corrected resampled t; Nadeau & Bengio 2003) and is on the wide side.",
        )
        for column, name in zip(st.columns(len(SHOWN)), SHOWN, strict=True):
            each = found.mean[name]
            column.metric(METRICS[name].label, f"{each.value:.3f}", help=METRICS[name].help)
            column.caption(f"{each.low:.3f} – {each.high:.3f}" if each.has_interval else "interval unknown")


def _table(study: Study, found: FoldsResult | None) -> str | None:
    folds = list(found.folds) if found is not None else finished_folds(study)
    if not folds:
        st.caption("The first figures come when the first fold is trained and tested.")
        return None
    rows: list[dict[str, Any]] = [
        {
            "fold": str(fold.number),
            "patches": fold.n,
            "tumour": fold.positives,
            **_figures(None if fold.evaluation is None else fold.evaluation.metrics),
            "run": fold.run,
        }
        for fold in folds
    ]
    if found is not None:
        pooled = found.pooled
        rows.append(
            {"fold": "all", "patches": pooled.n, "tumour": pooled.positives, **_figures(pooled.metrics), "run": ""}
        )
    event = st.dataframe(
        pd.DataFrame(rows), hide_index=True, key=f"folds-{study.name}", on_select="rerun",
        selection_mode="single-row",
    )  # fmt: skip
    over = "" if found is None else (
        " *all*: the out-of-fold predictions of all folds together, with intervals over "
        + (f"{found.pooled.slides} slides." if found.pooled.slides else "patches, because slides are unknown.")
    )  # fmt: skip
    st.caption(f"Folds of {BY_NAMES[study.settings()['by']]}. Press a row for its run.{over}")
    chosen = [row for row in event["selection"]["rows"] if row < len(folds)]
    return folds[chosen[0]].run if chosen else None


def _figures(figures: dict[str, Estimate] | None) -> dict[str, str]:
    return {METRICS[name].label: "-" if figures is None else str(figures[name]) for name in SHOWN}


def _curves(study: Study) -> None:
    """Draw how the folds learn, before there is a result."""
    metrics = {f"fold {number}": run.metrics() for number, run in enumerate(study.runs(), start=1)}
    drawn = {name: each for name, each in metrics.items() if not each.empty}
    if drawn:
        st.plotly_chart(
            curves.overlay(drawn, "valid_auc"), config=widgets.CHART, key=f"learning-{study.name}",
            alt=f"Validation AUC of {', '.join(drawn)} by epoch",
        )  # fmt: skip


def _charts(study: Study, found: FoldsResult) -> None:
    table = out_of_fold(study)
    left, right = st.columns(2)
    left.plotly_chart(
        charts.pooled_roc(table), config=widgets.CHART, key=f"roc-{study.name}",
        alt="ROC of all out-of-fold predictions, and that of each fold",
    )  # fmt: skip
    right.plotly_chart(
        charts.fold_metrics(found), config=widgets.CHART, key=f"aucs-{study.name}",
        alt="AUC of each fold with its interval, and the mean over them",
    )  # fmt: skip
    st.download_button(
        "Out-of-fold predictions as CSV", (study.path / "predictions.csv").read_bytes(),
        f"{study.name}-out-of-fold-research-use-only.csv", "text/csv", icon=":material/download:",
        help="Each labelled patch once, with the answer of the model that never saw it.",
    )  # fmt: skip
