"""Train: all runs in a table, a comparison of several, and the trash."""

from datetime import datetime
from pathlib import Path

import pandas as pd
import streamlit as st

from core.errors import NodescopeError
from core.runs import Run, RunSummary, differing_settings, summarise_run
from core.storage.spreadsheet import plain
from pages._ui import cache, state, widgets
from pages._ui.train import curves, fields, trash

MOST = 6
"""Most runs that are compared: as many as there are colours."""

ORDER = (
    "run", "state", "preset", "best valid AUC", "best epoch", "accuracy there", "test AUC (95 %)",
    "test accuracy (95 %)", "minutes", "notes", "flaw", "network", "data", "started",
)  # fmt: skip
"""Columns of the table, the most informative first; those without a value are hidden."""

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


def show(runs: list[Run]) -> None:
    """Draw the table of runs, what is compared, and the export."""
    records = [_record(run) for run in runs]
    wanted = st.text_input(
        "Filter", key=state.FILTER, persist_state="session", icon=":material/filter_list:",
        placeholder="Words in the name, state, preset, network, data or notes",
    )  # fmt: skip
    kept = [each for each in records if matches(each, wanted)]
    rows = table(kept)
    row = widgets.clicked_row(
        rows, key="all-runs", placeholder="",
        column_order=[name for name in ORDER if rows[name].notna().any() and rows[name].ne("").any()],
        column_config={
            **LABELS,
            "started": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "best valid AUC": st.column_config.NumberColumn(LABELS["best valid AUC"], format="%.4f"),
            "accuracy there": st.column_config.NumberColumn(
                LABELS["accuracy there"], format="percent", help="In the epoch with the best validation AUC."
            ),
            "notes": st.column_config.TextColumn(width="medium"),
            "minutes": st.column_config.NumberColumn(format="%.1f", help="Elapsed time of all sessions together."),
        },
    )  # fmt: skip
    # The browser keeps the selected row by its number while the filter makes the table shorter.
    if row is not None and row < len(kept):
        st.session_state[state.WANTED_RUN] = kept[row].name
        st.rerun()  # the choice of the view is above
    st.caption(f"{len(kept)} of {len(records)} runs. Click a row to open its run.")
    widgets.export("Export CSV", to_csv(kept), "runs-research-use-only.csv")
    _compare(runs, [each.name for each in kept])
    trash.show()


def matches(found: RunSummary, wanted: str) -> bool:
    """Whether each of the words is somewhere in the run's row."""
    texts = [found.name, found.state, found.preset, found.model, *found.data, found.notes, found.flaw]
    text = " ".join(texts).lower()
    return all(word in text for word in wanted.lower().split())


def table(records: list[RunSummary]) -> pd.DataFrame:
    """Return one row for each run."""
    return pd.DataFrame(
        {
            "run": [each.name for each in records],
            "state": [each.state.capitalize() for each in records],
            "preset": [each.preset for each in records],
            "network": [each.model for each in records],
            "data": [", ".join(each.data) for each in records],
            "best valid AUC": [each.valid_auc for each in records],
            "best epoch": pd.array([each.best_epoch for each in records], dtype="Int64"),
            "accuracy there": [each.valid_accuracy for each in records],
            "test AUC (95 %)": ["" if each.test_auc is None else str(each.test_auc) for each in records],
            "test accuracy (95 %)": ["" if each.test_accuracy is None else str(each.test_accuracy) for each in records],
            "started": [None if each.started is None else datetime.fromtimestamp(each.started) for each in records],
            "minutes": [each.seconds / 60 for each in records],
            "notes": [each.notes for each in records],
            "flaw": [each.flaw for each in records],
        }
    )


def to_csv(records: list[RunSummary]) -> str:
    """Return the table for a spreadsheet; no cell of it is taken for a formula."""
    rows = table(records)
    for name in ("run", "preset", "network", "data", "notes", "flaw"):
        rows[name] = rows[name].map(plain)
    return str(rows.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%d %H:%M:%S"))


def _compare(runs: list[Run], kept: list[str]) -> None:
    """Draw the comparison of runs; any that the filter keeps, or that were chosen before, can be chosen.

    Nothing is compared before it is chosen: only the owner knows which runs belong together.
    """
    st.subheader("Compare", anchor=False)
    named = {run.name: run for run in runs}
    before = [name for name in st.session_state.get(state.COMPARED, ()) if name in named]
    # Streamlit drops chosen values that are not among the options, so the filter must not take them away.
    offered = [name for name in named if name in kept or name in before]
    chosen = st.multiselect(
        "Runs to compare", offered, key=state.COMPARED, max_selections=MOST, bind="query-params",
        placeholder=f"Choose up to {MOST}",
        help="Shows their curves in one chart, and the settings in which they differ. A link to this page shows the "
        "same comparison.",
    )  # fmt: skip
    if len(chosen) < 2:
        _invite(kept, chosen)
    if not chosen:
        return
    column = st.selectbox(
        "Curve", list(curves.CURVES), format_func=lambda name: curves.CURVES[name], key=state.CURVE,
        persist_state="session",
    )  # fmt: skip
    flawed = {name for name in chosen if _record(named[name]).flaw}
    metrics = {f"{name} (flawed)" if name in flawed else name: named[name].metrics() for name in chosen}
    drawn = {name: each for name, each in metrics.items() if not each.empty}
    if drawn:
        st.plotly_chart(
            curves.overlay(drawn, column), config=widgets.CHART, key="overlay",
            alt=f"{curves.CURVES[column]} of {', '.join(drawn)} by epoch",
        )  # fmt: skip
        st.caption(
            "A star marks each run's epoch with the best validation AUC."
            + (" Flawed runs are validated as they were reported; see below." if flawed else "")
        )
    else:
        st.caption("None of these runs has finished an epoch yet.")
    found = differences([named[name] for name in chosen])
    st.dataframe(
        in_words(found), hide_index=True, height="content",
        column_config={"": st.column_config.Column(width=190)},  # wide enough for the longest name of a setting
    )  # fmt: skip
    widgets.export(
        "Export comparison", comparison_csv(found), "comparison-research-use-only.csv",
        help="Settings have the names of the command line and the files.",
    )  # fmt: skip


def _invite(kept: list[str], chosen: list[str]) -> None:
    """Explain how runs are compared, and offer to compare those in the table."""
    if chosen:
        st.caption("Choose another run to see how the two differ.")
        return
    st.caption(
        "Choose two or more runs to see their curves in one chart and the settings in which they differ. To compare "
        "runs of one kind, filter the table first."
    )
    count = min(len(kept), MOST)
    if count > 1:
        st.button(
            f"Compare the {count} in the table" if len(kept) <= MOST else f"Compare the {count} newest in the table",
            icon=":material/compare_arrows:", on_click=st.session_state.update,
            args=({state.COMPARED: kept[:count]},),
        )  # fmt: skip


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


def differences(runs: list[Run]) -> pd.DataFrame:
    """Return the metrics of each run, and below them the settings in which the runs differ."""
    records = [_record(run) for run in runs]
    rows = {
        "best valid AUC": ["" if each.valid_auc is None else f"{each.valid_auc:.4f}" for each in records],
        "in epoch": ["" if each.best_epoch is None else str(each.best_epoch) for each in records],
        "accuracy there": ["" if each.valid_accuracy is None else f"{each.valid_accuracy:.1%}" for each in records],
        "test AUC": ["" if each.test_auc is None else str(each.test_auc) for each in records],
        "test accuracy": ["" if each.test_accuracy is None else str(each.test_accuracy) for each in records],
    }
    if any(each.flaw for each in records):
        rows["flaw"] = [each.flaw for each in records]
    rows = {name: values for name, values in rows.items() if any(values)}
    settings = differing_settings([run for run, each in zip(runs, records, strict=True) if each.preset])
    whole = all(each.preset for each in records)
    if whole:
        rows |= {name: [_plain(value) for value in values] for name, values in settings.items()}
    columns = {run.name: [values[number] for values in rows.values()] for number, run in enumerate(runs)}
    return pd.DataFrame({"": list(rows), **columns})


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _record(run: Run) -> RunSummary:
    """Return the run's row; that of a finished run is kept, because it is read from the bundle."""
    try:
        finished = run.status().state == "finished"
    except NodescopeError:
        finished = False
    if not finished:
        return summarise_run(run)
    stamps = map(cache.file_stamp, (run.bundle_path, run.path / "status.json", run.path / "notes.txt"))
    return cache.recall("run summary", (run.path, *stamps), lambda: summarise_run(run), most=1000)
