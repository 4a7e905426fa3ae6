"""Train: learning curves."""

from typing import Any, get_args

import pandas as pd
import streamlit as st

from core.errors import NodescopeError
from core.evaluation import METRICS
from core.reports.study_charts import learning_curve
from core.runs import TrainingConfig
from core.storage.spreadsheet import table_csv
from core.studies.learning_curve import (
    EQUAL_NAMES,
    MOST_SEEDS,
    MOST_TIMES,
    Equal,
    Size,
    check_sizes,
    conclusion,
    create_curve,
    curve_result,
    extend_curve,
    parse_size,
)
from core.studies.learning_curve_result import SHOWN, CurveResult, Point
from core.studies.study import Study
from pages._ui import cache, layout, widgets
from pages._ui.train import curves, study_form

COLUMNS: dict[str, Any] = {
    **{name: st.column_config.NumberColumn(format="localized") for name in ("patches", "epochs", "steps")},
    "gain in AUC": st.column_config.Column(width=210),  # wide enough for the interval
}
"""How the columns of the tables are shown."""


def form(problems: list[str]) -> None:
    """Draw the form and start the study; `problems` are those of the page, and of the form by its end."""
    config = study_form.training(
        "curve", problems, epochs_of="the largest size",
        epochs_help="How often the largest size sees each of its patches. Where all sizes train for the same number of "
        "steps, a smaller size sees each of its own more often. Fewer epochs take less time.",
    )  # fmt: skip
    sizes = st.text_input(
        "Sizes", key="curve-sizes", persist_state="session", placeholder="⅛, ¼, ½ and all",
        help="Numbers of labelled training patches, such as 1000 2000 4000 all. Each size contains the smaller ones. "
        "Empty: an eighth, a quarter, a half and all patches.",
    )  # fmt: skip
    wanted: list[Size] = []
    try:
        wanted = [parse_size(word) for word in sizes.replace(",", " ").split()]
        if wanted and (why := _refused(config, wanted)):
            widgets.wrong(why, problems)
    except NodescopeError as error:
        widgets.wrong(str(error), problems)
    seeds = widgets.count(
        "Seeds", 1, MOST_SEEDS, 1, key="curve-seeds", problems=problems,
        help="How often each size is trained. Several seeds show how much is chance.",
    )  # fmt: skip
    equal = st.selectbox(
        "How long each size trains", get_args(Equal), key="curve-equal", format_func=lambda each: EQUAL_NAMES[each],
        help="Few patches make short epochs. With equal steps they are seen more often (up to "
        f"{MOST_TIMES} times), and only the labels differ. With equal epochs a small size also trains for a shorter "
        "time, and the curve is steeper than the labels alone explain.",
    )  # fmt: skip
    if widgets.start_button("Start learning curve", problems, width="stretch"):
        study_form.start(lambda: create_curve(config, sizes=wanted, seeds=seeds, equal=equal))


def _refused(config: TrainingConfig, sizes: list[Size]) -> str:
    """Return why the data of the sidebar do not allow these sizes, looked up once; "" where they do."""

    def look() -> str:
        try:
            check_sizes(config, sizes)
        except NodescopeError as error:
            return str(error)
        return ""

    key = (*cache.key_of(layout.dataset()), str(config.with_changes(epochs=1).to_json()), *sizes)
    return cache.recall("curve sizes", key, look, doing="Counting the training patches …")


def more(study: Study, problems: list[str]) -> None:
    """Draw how to add seeds to a learning curve; `problems` are those of the page."""
    settings = study.settings()
    study_form.more(
        study, "seeds", len(settings["seeds"]), MOST_SEEDS, problems, suggested=2, verb="Train", extend=extend_curve,
        sizes=len(settings["sizes"]),
        help="Each size is trained again from other initial weights and in another order, on the same patches, which "
        "shows how much of a gain is chance. Finished runs are kept.",
    )  # fmt: skip


def result(study: Study) -> str | None:
    """Draw the results so far; return the name of the run that was clicked, or None."""
    found, settings = curve_result(study), study.settings()
    if not found.trained:
        st.caption("The first point of the curve appears when the first run is trained and tested.")
        _curves(study)
        return None
    _conclusion(study)
    for column, name in zip(st.columns(len(SHOWN)), SHOWN, strict=True):
        column.plotly_chart(
            learning_curve(found, settings["sizes"], name), config=widgets.CHART, key=f"{name}-{study.name}",
            alt=f"{METRICS[name].label} over the number of labelled patches, with intervals",
        )  # fmt: skip
    chosen = _table(study, found)
    if len(found.trained) < len(study.run_names()):
        _curves(study)
    return chosen


def _conclusion(study: Study) -> None:
    sentences = conclusion(study)
    if sentences:
        with st.container(border=True):
            st.markdown(f"**{sentences[0]}**")
            st.caption(" ".join(sentences[1:]))
            if len(study.settings()["seeds"]) == 1:
                st.caption("This curve has one seed. **More seeds** above trains each size again.")


def _table(study: Study, found: CurveResult) -> str | None:
    several = len(study.settings()["seeds"]) > 1
    rows = pd.DataFrame([_row(found, point, several=several) for point in found.points])
    if several:
        st.dataframe(rows, hide_index=True, key=f"sizes-{study.name}", column_config=COLUMNS)
        with st.expander(f"Runs ({len(found.trained)})", icon=":material/list:"):
            chosen = _clicked(_runs(found), f"runs-{study.name}")
    else:
        # With one seed a size is one run, so a row can open it; with several, the runs have a table of their own.
        chosen = _clicked(rows.assign(run=[point.runs[0].run for point in found.points]), f"sizes-{study.name}")
    left, right = st.columns([3, 1], vertical_alignment="center")
    first = found.trained[0].evaluation
    over = first.described_slides if first.resampled != "patch" else "patches, because slides are unknown"
    left.caption(
        f"All sizes are tested on the same {first.n:,} test patches; 95% CIs are over {over}. Validation patches "
        f"choose the epoch. Trained with {EQUAL_NAMES[study.settings()['equal']]}. The gain compares a size with the "
        "one before, patch by patch, and is more certain than the whiskers suggest."
        + ("" if several else " Click a row to open its run.")
    )
    widgets.export(
        "Export CSV", table_csv(found.table(), names=("run",)), f"{study.name}-research-use-only.csv", place=right
    )
    return chosen


def _runs(found: CurveResult) -> pd.DataFrame:
    rows = [
        {
            "patches": each.size,
            "seed": str(each.seed),
            **{METRICS[name].label: str(each.evaluation.metrics[name]) for name in SHOWN},
            "best epoch": each.epoch_kept,
            "epochs": each.epochs,
            "run": each.run,
        }
        for each in found.trained
    ]
    return pd.DataFrame(rows)


def _clicked(rows: pd.DataFrame, key: str) -> str | None:
    """Draw a table with a column ``run`` and return the run of the row that was clicked, or None."""
    row = widgets.clicked_row(rows, key=key, column_config=COLUMNS)
    return None if row is None else str(rows["run"].iloc[row])


def _curves(study: Study) -> None:
    several = len(study.settings()["seeds"]) > 1
    configs = {run.name: run.config() for run in study.runs()}
    names = {
        name: f"{config.patches:,} patches" + (f", seed {config.seed}" if several else "")
        for name, config in configs.items()
    }
    curves.show_study(study, names)


def _row(found: CurveResult, point: Point, *, several: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"patches": point.size}
    for name in SHOWN:
        row[METRICS[name].label] = str(point.metric(name))
        if several:
            row[f"{METRICS[name].label} over seeds"] = "{:.3f}–{:.3f}".format(*point.spread(name))
    gain = found.gain_to(point.size)
    row["gain in AUC"] = "" if gain is None else gain.describe()
    return {**row, "epochs": point.runs[0].epochs, "steps": point.runs[0].steps}
