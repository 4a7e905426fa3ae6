"""Train: cross-validations."""

from typing import Any

import pandas as pd
import streamlit as st

from core.bundle.seen_slides import LIKELY, NO, YES
from core.data.dataset import GROUPS
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

AUTOMATIC = "automatic"
SHOWN = ("auc", "accuracy", "sensitivity", "specificity")


def form(problems: list[str]) -> None:
    """Draw the form and start the study; `problems` are those of the page, and of the form by its end."""
    config = study_form.training("folds", problems)
    count = widgets.count(
        "Folds", 2, MOST_FOLDS, 5, key="folds-count", problems=problems,
        help="The patches are divided into this many folds. One run is trained for each fold, on all the others.",
    )  # fmt: skip
    together = st.selectbox(
        "What stays together", [AUTOMATIC, *BY_NAMES], key="folds-by",
        format_func=lambda each: BY_NAMES.get(each, each),
        help="Patches of one slide look alike, so whole slides should stay together. *Automatic* keeps patients "
        "or slides together where they are known, and divides single patches otherwise. By centre there are as many "
        "folds as centres.",
    )  # fmt: skip
    if widgets.start_button("Start cross-validation", problems, width="stretch"):
        by = next((each for each in BY_NAMES if each == together), None)
        study_form.start(lambda: create_folds(config, folds=None if by == "centre" else count, by=by))


def result(study: Study) -> str | None:
    """Draw the results so far; return the name of the run that was clicked, or None."""
    found = folds_result(study)
    if found is not None:
        _headline(found, study.settings()["by"])
    chosen = _table(study, found)
    if found is not None:
        _charts(study, found)
    else:
        curves.show_study(study, {run.name: f"fold {number}" for number, run in enumerate(study.runs(), start=1)})
    return chosen


def _headline(found: FoldsResult, by: str) -> None:
    pooled = found.pooled
    over = f"{pooled.slides} {pooled.resampled}s" if pooled.slides else "patches, because slides are unknown"
    with st.container(border=True):
        st.markdown(
            f"**All {pooled.n:,} patches**, each predicted by the run that was not trained on it",
            help=f"What to expect of a model that is trained in this way. The second line is the 95% CI over {over}.",
        )
        widgets.headline(pooled.metrics, SHOWN)
        widgets.seen_slides(NO if by in GROUPS else YES if pooled.slides else LIKELY)
        means = ", ".join(
            f"{METRICS[name].label} {found.mean[name].value:.3f}"
            # Two folds leave one degree of freedom: the interval is then all that is possible.
            + (f" ({found.mean[name].interval()})" if len(found.folds) > 2 else "")
            for name in SHOWN
        )
        st.caption(
            f"Mean over {len(found.folds)} folds: {means}.",
            help="With 95% CIs, corrected for runs that share training patches (corrected resampled t; Nadeau & Bengio "
            "2003) and rather wide.",
        )


def _table(study: Study, found: FoldsResult | None) -> str | None:
    folds = list(found.folds) if found is not None else finished_folds(study)
    if not folds:
        st.caption("The first metrics appear when the first fold is trained and tested.")
        return None
    rows: list[dict[str, Any]] = [
        {
            "fold": str(fold.number),
            "patches": fold.n,
            "tumour": fold.positives,
            **_metrics(None if fold.evaluation is None else fold.evaluation.metrics),
            "run": fold.run,
        }
        for fold in folds
    ]
    if found is not None:
        pooled = found.pooled
        rows.append(
            {"fold": "all", "patches": pooled.n, "tumour": pooled.positives, **_metrics(pooled.metrics), "run": ""}
        )
    row = widgets.clicked_row(pd.DataFrame(rows), key=f"folds-{study.name}")
    over = "" if found is None else (
        " Each fold is at the threshold of its own model. *all*: the out-of-fold predictions of all folds together, at "
        f"the mean of these thresholds ({found.pooled.threshold:.3f}), with 95% CIs over "
        + (f"{found.pooled.described_slides}." if found.pooled.slides else "patches, because slides are unknown.")
    )  # fmt: skip
    st.caption(f"Folds of {BY_NAMES[study.settings()['by']]}. Click a row to open its run.{over}")
    return folds[row].run if row is not None and row < len(folds) else None  # the last row is no fold


def _metrics(metrics: dict[str, Estimate] | None) -> dict[str, str]:
    return {METRICS[name].label: "-" if metrics is None else str(metrics[name]) for name in SHOWN}


def _charts(study: Study, found: FoldsResult) -> None:
    table = out_of_fold(study)
    left, right = st.columns(2)
    left.plotly_chart(
        charts.pooled_roc(table), config=widgets.CHART, key=f"roc-{study.name}",
        alt="ROC of all out-of-fold predictions, and that of each fold",
    )  # fmt: skip
    right.plotly_chart(
        charts.fold_aucs(found), config=widgets.CHART, key=f"aucs-{study.name}",
        alt="AUC of each fold with its interval, and the mean over them",
    )  # fmt: skip
    widgets.export(
        "Export out-of-fold predictions", (study.path / "predictions.csv").read_bytes,
        f"{study.name}-out-of-fold-research-use-only.csv",
        help="Each labelled patch once, predicted by the model that was not trained on it.",
    )  # fmt: skip
