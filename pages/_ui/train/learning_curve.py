"""Train: learning curves."""

from functools import partial
from typing import Any, get_args

import pandas as pd
import streamlit as st

from core.errors import ConfigError
from core.evaluation import METRICS
from core.reports.learning_curve_chart import learning_curve
from core.storage.spreadsheet import plain
from core.studies.learning_curve import (
    EQUAL_NAMES,
    MOST_SEEDS,
    MOST_TIMES,
    Equal,
    Size,
    conclusion,
    create_curve,
    curve_result,
    extend_curve,
    parse_size,
)
from core.studies.learning_curve_result import SHOWN, CurveResult, Point
from core.studies.study import Study
from pages._ui import layout, widgets
from pages._ui.train import curves, study_form

COLUMNS: dict[str, Any] = {
    **{name: st.column_config.NumberColumn(format="localized") for name in ("patches", "epochs", "steps")},
    "gain in AUC": st.column_config.Column(width=210),  # the whole interval is seen
}
"""How the columns of the tables are shown."""


def form() -> None:
    """Draw the form and start what it asks for."""
    config = study_form.training(
        "curve", epochs_of="the largest size",
        epochs_help="How often the largest size sees each of its patches. A smaller size sees each of its own more "
        "often, where every size trains for as many steps. Fewer take less time.",
    )  # fmt: skip
    sizes = st.text_input(
        "Sizes", key="curve-sizes", persist_state="session", placeholder="⅛, ¼, ½ and all",
        help="How many labelled training patches are learnt from, such as 1000 2000 4000 all. The smaller sizes are "
        "among the larger ones. Empty: an eighth, a quarter, a half and all there are.",
    )  # fmt: skip
    seeds = st.number_input(
        "Seeds", 1, MOST_SEEDS, 1, key="curve-seeds",
        help="How often each size is trained. More of them tell what chance in training does.",
    )  # fmt: skip
    equal = st.selectbox(
        "How long each size trains", get_args(Equal), key="curve-equal", format_func=lambda each: EQUAL_NAMES[each],
        help="Few patches make short epochs. With as many steps they are seen more often (up to "
        f"{MOST_TIMES} times), and only the labels differ. With as many epochs they are also trained for less long, "
        "and the curve gets steeper than the labels are worth.",
    )  # fmt: skip
    if st.button("Start learning curve", type="primary", icon=":material/play_arrow:", width="stretch"):
        try:
            wanted = _sizes(sizes)
        except ConfigError as error:
            layout.show_error(error)
            return
        study_form.start(lambda: create_curve(config, sizes=wanted, seeds=int(seeds), equal=equal))


def more(study: Study) -> None:
    """Draw how a curve gets more seeds than it was made with."""
    settings = study.settings()
    seeds, sizes = len(settings["seeds"]), len(settings["sizes"])
    most = MOST_SEEDS - seeds
    if most < 1:
        return
    with st.popover("More seeds", icon=":material/add:"):
        count = int(st.number_input(
            "More seeds", 1, most, min(2, most), key=f"more-{study.name}",
            help=f"Beyond the {seeds} it has. Each size is trained again from other first weights and in another "
            "order, on the same patches: so one sees how much of a step is chance. What is trained stays.",
        ))  # fmt: skip
        st.caption(f"{sizes} sizes, {count * sizes} more runs.")
        st.button(
            f"Train {count} more", type="primary", icon=":material/play_arrow:", on_click=study_form.go_on,
            args=(study, partial(extend_curve, study, seeds + count), f"{seeds + count} seeds"),
        )  # fmt: skip


def result(study: Study) -> str | None:
    """Draw what has come of the study; return the name of the run that was pressed, or None."""
    found, settings = curve_result(study), study.settings()
    if not found.trained:
        st.caption("The first point of the curve comes when the first run is trained and tested.")
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


def _sizes(words: str) -> list[Size]:
    return [parse_size(word) for word in words.replace(",", " ").split()]


def _conclusion(study: Study) -> None:
    words = conclusion(study)
    if words:
        with st.container(border=True):
            st.markdown(f"**{words[0]}**")
            st.caption(" ".join(words[1:]))
            if len(study.settings()["seeds"]) == 1:
                st.caption("This curve has one seed. **More seeds** above trains each size again.")


def _table(study: Study, found: CurveResult) -> str | None:
    several = len(study.settings()["seeds"]) > 1
    rows = pd.DataFrame([_row(found, point, several=several) for point in found.points])
    if several:
        st.dataframe(rows, hide_index=True, key=f"sizes-{study.name}", column_config=COLUMNS)
        with st.expander(f"Runs ({len(found.trained)})", icon=":material/list:"):
            chosen = _pressed(_runs(found), f"runs-{study.name}")
    else:
        chosen = _pressed(rows.assign(run=[point.runs[0].run for point in found.points]), f"sizes-{study.name}")
    left, right = st.columns([3, 1], vertical_alignment="center")
    first = found.trained[0].evaluation
    over = f"{first.slides} slides" if first.resampled == "slide" else "patches, because slides are unknown"
    left.caption(
        f"All sizes are measured on the same {first.n:,} test patches; intervals are over {over}. Validation patches "
        f"choose the epoch. Trained with {EQUAL_NAMES[study.settings()['equal']]}. The gain compares "
        "a size with the one before, patch by patch, and is more certain than the whiskers suggest."
        + ("" if several else " Press a row for its run.")
    )
    table = found.table()
    right.download_button(
        "Curve as CSV", table.assign(run=table["run"].map(plain)).to_csv(index=False, lineterminator="\n"),
        f"{study.name}-research-use-only.csv", "text/csv", icon=":material/download:",
    )  # fmt: skip
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


def _pressed(rows: pd.DataFrame, key: str) -> str | None:
    """Draw a table with a column ``run`` and return the run of the row that was pressed, or None."""
    event = st.dataframe(
        rows, hide_index=True, key=key, on_select="rerun", selection_mode="single-row", column_config=COLUMNS
    )
    selected = event["selection"]["rows"]
    return str(rows["run"].iloc[selected[0]]) if selected else None


def _curves(study: Study) -> None:
    """Draw how the runs learn, while they do."""
    several = len(study.settings()["seeds"]) > 1
    metrics = {
        f"{config.patches:,} patches" + (f", seed {config.seed}" if several else ""): run.metrics()
        for run, config in ((run, run.config()) for run in study.runs())
    }
    drawn = {name: each for name, each in metrics.items() if not each.empty}
    if drawn:
        st.plotly_chart(
            curves.overlay(drawn, "valid_auc"), config=widgets.CHART, key=f"learning-{study.name}",
            alt=f"Validation AUC of {', '.join(drawn)} by epoch",
        )  # fmt: skip


def _row(found: CurveResult, point: Point, *, several: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"patches": point.size}
    for name in SHOWN:
        row[METRICS[name].label] = str(point.figure(name))
        if several:
            row[f"{METRICS[name].label} over seeds"] = "{:.3f}–{:.3f}".format(*point.spread(name))
    gain = found.gain_to(point.size)
    row["gain in AUC"] = "" if gain is None else gain.words()
    return {**row, "epochs": point.runs[0].epochs, "steps": point.runs[0].steps}
