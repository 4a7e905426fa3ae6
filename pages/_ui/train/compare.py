"""Train: several runs beside each other: their curves, the settings in which they differ, and what these led to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import NodescopeError
from core.reports.study_charts import axis_over
from core.runs import Run, RunSummary, differing_settings, titles
from core.runs.settings import SETTINGS
from core.storage.spreadsheet import plain
from pages._ui import layout, state, widgets
from pages._ui.train import curves, fields

MOST = 6
"""Most runs whose curves are drawn: as many as there are colours."""

LABELS = {
    "best valid AUC": "best validation AUC",
    "in epoch": "best epoch",
    "accuracy there": "validation accuracy",
    "test AUC (95 %)": "test AUC (95% CI)",
    "test accuracy (95 %)": "test accuracy (95% CI)",
}
"""What the page calls columns whose names in exported files stay as they are."""

FILES = ("decisions", "split", "pretrained")
"""Settings that can be the path of a file."""


def show(runs: Sequence[Run], records: Sequence[RunSummary]) -> None:
    """Draw what is known of the runs that were ticked beside each other.

    Args:
        runs: two or more, none of them damaged.
        records: a row for each.
    """
    st.subheader("Compare", anchor=False)
    if len(runs) > MOST:
        st.caption(f"Curves and settings are those of the first {MOST} of the {len(runs)} ticked runs.")
    _curves(runs[:MOST], records[:MOST])
    found = differences(runs[:MOST], records[:MOST])
    st.dataframe(
        in_words(found), hide_index=True, height="content",
        column_config={"": st.column_config.Column(width=190)},  # wide enough for the longest name of a setting
    )  # fmt: skip
    widgets.export(
        "Export comparison", comparison_csv(found), "comparison-research-use-only.csv",
        help="Settings have the names of the command line and the files.",
    )  # fmt: skip
    _parallel(runs, records)


def _curves(runs: Sequence[Run], records: Sequence[RunSummary]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        column = st.selectbox(
            "Curve", list(curves.CURVES), format_func=lambda name: curves.CURVES[name], key=state.CURVE,
            persist_state="session", width=280,
        )  # fmt: skip
        look = curves.choose_look()
    found, best = {}, {}
    for run, each, title in zip(runs, records, titles(records), strict=True):
        name = f"{title} (flawed)" if each.flaw else title
        try:
            curve = curves.curve_of(run, column)
        except NodescopeError as error:
            layout.show_error(error)
            continue
        if len(curve[0]):
            found[name], best[name] = curve, each.best_epoch
    if not found:
        st.caption(
            "None of these runs has losses within its epochs: an earlier version trained them."
            if column == curves.STEPS else "None of these runs has finished an epoch yet."
        )  # fmt: skip
        return
    st.plotly_chart(
        curves.overlay(found, column, best, look), config=widgets.CHART, key="overlay",
        alt=f"{curves.CURVES[column]} of {', '.join(found)} by epoch",
    )  # fmt: skip
    star = "" if column == curves.STEPS else "A star marks each run's epoch with the best validation AUC."
    flawed = "Flawed runs are validated as they were reported; see below." if any(each.flaw for each in records) else ""
    st.caption(f"{star} {flawed}".strip())


def _parallel(runs: Sequence[Run], records: Sequence[RunSummary]) -> None:
    """Draw a line for each run through the settings in which they differ; nothing where they do not."""
    measured = [(run, each) for run, each in zip(runs, records, strict=True) if each.valid_auc is not None]
    values = axis_values([run for run, _ in measured])
    if not values:
        return
    st.markdown("**Settings and validation AUC**")
    chosen = st.multiselect(
        "Settings", list(values), key=state.PARALLEL, persist_state="session", placeholder=f"The first {MOST}",
        label_visibility="collapsed",
    ) or list(values)[:MOST]  # fmt: skip
    axes = [axis_over(name, values[name]) for name in chosen]
    rows = [{name: values[name][number] for name in chosen} for number in range(len(measured))]
    curves.show_parallel(axes, rows, [each.valid_auc or 0.0 for _, each in measured], key="parallel-runs", one="run")


def axis_values(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return the settings that the form has and in which runs differ, by their labels, in its order.

    Each has a number or a text for each run.
    """
    differing = {name.removeprefix("augmentation."): values for name, values in differing_settings(runs).items()}
    found = {}
    for name in SETTINGS:
        if name in differing and name not in fields.NOT_ON_THE_PAGE:
            is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in differing[name])
            found[fields.label_of(name)] = (
                differing[name] if is_number else [_plain(value) for value in differing[name]]
            )
    return found


def comparison_csv(found: pd.DataFrame) -> str:
    """Return what :func:`differences` gave for a spreadsheet, with settings by their names and whole paths."""
    return str(found.rename(columns=plain).map(plain).to_csv(index=False, lineterminator="\n"))


def in_words(found: pd.DataFrame) -> pd.DataFrame:
    """Return what :func:`differences` gave as it is shown: settings as in the form, files without their folders."""
    shown = found.copy()
    for number in found.index[found[""].isin(FILES)]:
        shown.iloc[number, 1:] = _file_names([str(value) for value in found.iloc[number, 1:]])
    shown[""] = [LABELS.get(name) or fields.label_of(name) for name in found[""]]
    return shown


def _file_names(paths: list[str]) -> list[str]:
    """Return the names of files, with their folder where different files have the same name."""
    names = {each: Path(each).name for each in paths}
    is_clear = len(set(names.values())) == len(names)
    return [names[each] if is_clear else "/".join(Path(each).parts[-2:]) for each in paths]


def differences(runs: Sequence[Run], records: Sequence[RunSummary]) -> pd.DataFrame:
    """Return the metrics of each run, and below them the settings in which the runs differ."""
    rows = {
        "best valid AUC": ["" if each.valid_auc is None else f"{each.valid_auc:.3f}" for each in records],
        "in epoch": ["" if each.best_epoch is None else str(each.best_epoch) for each in records],
        "accuracy there": ["" if each.valid_accuracy is None else f"{each.valid_accuracy:.3f}" for each in records],
        "test AUC": ["" if each.test_auc is None else str(each.test_auc) for each in records],
        "test accuracy": ["" if each.test_accuracy is None else str(each.test_accuracy) for each in records],
        "slides in training": [each.slides_in_training for each in records],
        "flaw": [each.flaw for each in records],
    }
    rows = {name: values for name, values in rows.items() if any(values)}
    rows |= {name: [_plain(value) for value in values] for name, values in differing_settings(runs).items()}
    columns: Mapping[str, list[str]] = {
        title: [values[number] for values in rows.values()] for number, title in enumerate(titles(records))
    }
    return pd.DataFrame({"": list(rows), **columns})


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
