"""Train: all runs in a table, several of them beside each other, and the trash."""

from datetime import datetime
from pathlib import Path

import pandas as pd
import streamlit as st

from core.errors import NodescopeError
from core.runs import Run, RunSummary, differing_settings, summarise_run
from core.storage.spreadsheet import plain
from pages._ui import state, widgets
from pages._ui.train import curves, fields, trash

MOST = 6
"""Runs that are compared at most: as many as there are colours."""

ORDER = (
    "run", "state", "preset", "best valid AUC", "best epoch", "accuracy there", "test AUC (95 %)",
    "test accuracy (95 %)", "minutes", "notes", "flaw", "network", "data", "started",
)  # fmt: skip
"""Columns of the table as they are shown, the more telling first; those without a value are not."""

FILES = ("decisions", "split", "pretrained")
"""Settings that can be the path of a file."""


def show(runs: list[Run]) -> None:
    """Draw the table of runs, what is compared, and the export."""
    records = [_record(run) for run in runs]
    wanted = st.text_input(
        "Filter", key=state.FILTER, persist_state="session", icon=":material/filter_list:",
        placeholder="Words that must stand in the name, state, preset, network, data or notes",
    )  # fmt: skip
    kept = [each for each in records if matches(each, wanted)]
    rows = table(kept)
    event = st.dataframe(
        rows, hide_index=True, placeholder="", key="all-runs", on_select="rerun", selection_mode="single-row",
        column_order=[name for name in ORDER if rows[name].notna().any() and rows[name].ne("").any()],
        column_config={
            "started": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "best valid AUC": st.column_config.NumberColumn(format="%.4f", help="Of all epochs, not the last one"),
            "accuracy there": st.column_config.NumberColumn(format="percent", help="On validation patches"),
            "notes": st.column_config.TextColumn(width="medium"),
            "minutes": st.column_config.NumberColumn(format="%.1f", help="Worked on it, in all sessions together"),
        },
    )  # fmt: skip
    selected = event["selection"]["rows"]
    if selected and selected[0] < len(kept):
        st.session_state[state.WANTED_RUN] = kept[selected[0]].name
        st.rerun()  # the choice of the view stands above
    st.caption(f"{len(kept)} of {len(records)} runs. Press a row for its run.")
    st.download_button(
        "Table as CSV", to_csv(kept), "runs-research-use-only.csv", "text/csv", icon=":material/download:"
    )
    _compare(runs, [each.name for each in kept])
    trash.show()


def matches(found: RunSummary, words: str) -> bool:
    """Whether each word stands somewhere in the run's row."""
    said = [found.name, found.state, found.preset, found.model, *found.data, found.notes, found.flaw]
    text = " ".join(said).lower()
    return all(word in text for word in words.lower().split())


def table(records: list[RunSummary]) -> pd.DataFrame:
    """Return a row a run."""
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
    text: str = rows.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%d %H:%M:%S")
    return text


def _compare(runs: list[Run], kept: list[str]) -> None:
    """Draw what is compared: any of the runs that the filter keeps, and those that were chosen before.

    Nothing is compared unasked: which runs belong together only their owner knows, and the address keeps the choice.
    """
    st.subheader("Compare", anchor=False)
    named = {run.name: run for run in runs}
    before = [name for name in st.session_state.get(state.COMPARED, ()) if name in named]
    offered = [name for name in named if name in kept or name in before]
    chosen = st.multiselect(
        "Runs to compare", offered, key=state.COMPARED, max_selections=MOST, bind="query-params",
        placeholder=f"Choose up to {MOST}",
        help="Their curves in one figure, and only the settings in which they differ. The address keeps the choice, so "
        "that a link shows the same comparison.",
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
            + (" Flawed ones validate as they were reported, see below." if flawed else "")
        )
    else:
        st.caption("None of them has finished an epoch yet.")
    found = differences([named[name] for name in chosen])
    st.dataframe(
        in_words(found), hide_index=True, height="content",
        column_config={"": st.column_config.Column(width=190)},  # the longest name of a setting is seen
    )  # fmt: skip
    st.download_button(
        "Comparison as CSV", comparison_csv(found), "comparison-research-use-only.csv", "text/csv",
        icon=":material/download:",
        help="With the names that the command line and the files have for settings.",
    )  # fmt: skip


def _invite(kept: list[str], chosen: list[str]) -> None:
    """Say how runs are compared, and offer those in the table where there is something to compare."""
    if chosen:
        st.caption("Choose another run to see in what the two differ.")
        return
    st.caption(
        "Choose two or more runs to see their curves in one figure and the settings in which they differ. To compare "
        "runs of one kind, filter the table first."
    )
    count = min(len(kept), MOST)
    if count > 1:
        st.button(
            f"Compare the {count} in the table" if len(kept) <= MOST else f"Compare the {count} newest in the table",
            icon=":material/compare_arrows:", on_click=_take, args=(kept[:count],),
        )  # fmt: skip


def _take(names: list[str]) -> None:
    st.session_state[state.COMPARED] = names


def comparison_csv(found: pd.DataFrame) -> str:
    """Return what :func:`differences` gave for a spreadsheet, with settings by their names and whole paths."""
    text: str = found.rename(columns=plain).map(plain).to_csv(index=False, lineterminator="\n")
    return text


def in_words(found: pd.DataFrame) -> pd.DataFrame:
    """Return what :func:`differences` gave as it is shown: settings as in the form, files without their folders."""
    shown = found.copy()
    for number in found.index[found[""].isin(FILES)]:
        shown.iloc[number, 1:] = _file_names([str(value) for value in found.iloc[number, 1:]])
    shown[""] = [fields.label_of(name) for name in found[""]]
    return shown


def _file_names(paths: list[str]) -> list[str]:
    """Return the names of files, with their folder where different files have the same name."""
    names = {each: Path(each).name for each in paths}
    is_clear = len(set(names.values())) == len(names)
    return [names[each] if is_clear else "/".join(Path(each).parts[-2:]) for each in paths]


def differences(runs: list[Run]) -> pd.DataFrame:
    """Return how good each run became, and below it by their names the settings in which they differ."""
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
    """Return the run's row; that of a finished one is kept, because it needs the bundle to be read."""
    try:
        finished = run.status().state == "finished"
    except NodescopeError:
        finished = False
    return _finished(run.path, _stamp(run)) if finished else summarise_run(run)


def _stamp(run: Run) -> tuple[int, ...]:
    paths = (run.bundle_path, run.path / "status.json", run.path / "notes.txt")
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)


@st.cache_data(show_spinner=False, max_entries=1000)
def _finished(path: Path, stamp: tuple[int, ...]) -> RunSummary:  # noqa: ARG001 - the stamp is part of the key
    return summarise_run(Run(path))
