"""Train: all runs in a table, a comparison of those that are ticked, and the trash."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import NodescopeError
from core.runs import Run, RunSummary, Status, summarise_run
from core.runs.settings import SETTINGS
from core.storage.spreadsheet import plain
from core.studies.trash import delete, what_loses
from pages._ui import cache, layout, open_data, query_params, state, widgets
from pages._ui.component import sent
from pages._ui.train import compare, described, fields, trash
from pages._ui.train.compare import LABELS

ORDER = (
    "data", "state", "tags", "preset", "best valid AUC", "best epoch", "accuracy there", "test AUC (95 %)",
    "test accuracy (95 %)", "slides in training", "minutes", "notes", "flaw", "why", "network", "started", "run",
)  # fmt: skip
"""Columns of the table after the name, the most informative first; those without a value are hidden."""

OWN = tuple(name for name in SETTINGS if name not in (*fields.NOT_ON_THE_PAGE, "model"))
"""Settings that can be columns; the network is one already."""

TABLE, OPEN = "all-runs", "open-run"
MOST_IN_ADDRESS = 50
"""Ticked runs that a link keeps: addresses have an end."""


def show(runs: list[Run]) -> None:
    """Draw the table of runs, what is compared, and the export."""
    records = [_record(run) for run in runs]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.text_input(
            "Filter", key=state.FILTER, persist_state="session", icon=":material/filter_list:",
            placeholder="Words in the name, tags, state, preset, network, data or notes",
        )  # fmt: skip
        with st.popover("Columns", icon=":material/view_column:"):
            columns = st.multiselect(
                "Columns", [*ORDER, *OWN], default=ORDER, key=state.COLUMNS, persist_state="session",
                format_func=_label,
                help="Settings of the training can be columns too. A column without a value is hidden.",
            )  # fmt: skip
    kept = [each for each in records if matches(each, wanted)]
    ticked = _ticked({each.name for each in records})
    if kept:
        _table(kept, runs, columns, ticked)
    else:
        st.info("No run has all of these words.", icon=":material/filter_list_off:")
        st.button("Clear filter", icon=":material/close:", on_click=st.session_state.update,
                  args=({state.FILTER: ""},))  # fmt: skip
    chosen = [(run, each) for run, each in zip(runs, records, strict=True) if each.name in ticked]
    _below(kept, len(records), runs, [run for run, _ in chosen])
    whole = [(run, each) for run, each in chosen if each.state != "damaged"]
    if len(whole) > 1:
        compare.show(*zip(*whole, strict=True))
    _damaged(runs, records)
    trash.show()


def _label(column: str) -> str:
    return fields.label_of(column) if column in OWN else {**LABELS, "run": "folder"}.get(column, column)


def matches(found: RunSummary, wanted: str) -> bool:
    """Whether each of the words is somewhere in the run's row."""
    texts = [found.name, found.title, *found.tags, found.state, found.preset, found.model, *found.data, found.notes]
    text = " ".join([*texts, found.flaw]).lower()
    return all(word in text for word in wanted.lower().split())


def table(records: list[RunSummary]) -> pd.DataFrame:
    """Return one row for each run."""
    return pd.DataFrame(
        {
            "name": [each.title for each in records],
            "run": [each.name for each in records],
            "state": [each.state.capitalize() for each in records],
            "tags": [", ".join(each.tags) for each in records],
            "preset": [each.preset for each in records],
            "network": [each.model for each in records],
            "data": [", ".join(each.data) for each in records],
            "best valid AUC": [each.valid_auc for each in records],
            "best epoch": pd.array([each.best_epoch for each in records], dtype="Int64"),
            "accuracy there": [each.valid_accuracy for each in records],
            "test AUC (95 %)": ["" if each.test_auc is None else str(each.test_auc) for each in records],
            "test accuracy (95 %)": ["" if each.test_accuracy is None else str(each.test_accuracy) for each in records],
            "slides in training": [each.slides_in_training for each in records],
            "started": [None if each.started is None else datetime.fromtimestamp(each.started) for each in records],
            "minutes": [each.seconds / 60 for each in records],
            "notes": [each.notes for each in records],
            "flaw": [each.flaw for each in records],
            "why": [each.message for each in records],
        }
    )


def to_csv(records: list[RunSummary]) -> str:
    """Return the table for a spreadsheet; no cell of it is taken for a formula."""
    rows = table(records)
    for name in ("name", "run", "tags", "preset", "network", "data", "notes", "flaw", "why"):
        rows[name] = rows[name].map(plain)
    return str(rows.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%d %H:%M:%S"))


def _ticked(known: set[str]) -> list[str]:
    """Return the names of the runs that are ticked, at first those of the address, which follows them."""
    # In the session, because the address is cleared when another page is shown.
    names = st.session_state.get(state.COMPARED)
    names = [name for name in (query_params.read(state.COMPARED) if names is None else names) if name in known]
    st.session_state[state.COMPARED] = names
    query_params.write(state.COMPARED, names[:MOST_IN_ADDRESS])
    return names


def _table(kept: list[RunSummary], runs: list[Run], columns: Sequence[str], ticked: list[str]) -> None:
    names, own = [each.name for each in kept], [name for name in columns if name in OWN]
    rows = table(kept)
    rows.insert(0, "open", "Open")
    # Beside the name, because figures of different data sets do not compare; a whole path would need all of the table.
    rows["data"] = [", ".join(Path(open_data.name_of(source)).name for source in each.data) for each in kept]
    by_name = {run.name: run for run in runs}
    for name in own:
        rows[name] = [_setting(by_name[each], name) for each in names]
    has_value = [name for name in rows if rows[name].notna().any() and rows[name].ne("").any()]
    # The folder's name tells nothing where nobody has given another one.
    shown = [name for name in columns if name in has_value and (name != "run" or rows["name"].ne(rows["run"]).any())]
    # The browser keeps ticks by the numbers of rows, which the filter changes.
    selection = {"selection": {"rows": [names.index(name) for name in ticked if name in names]}}
    held = st.session_state.get(TABLE)
    if held is None or sorted(held["selection"]["rows"]) != sorted(selection["selection"]["rows"]):
        st.session_state[TABLE] = selection
    st.dataframe(
        rows, hide_index=True, key=TABLE, placeholder="", on_select=partial(_tick, names), selection_mode="multi-row",
        column_order=["open", "name", *shown], alt="Runs with their settings and results",
        column_config={
            **LABELS,
            "open": st.column_config.ButtonColumn(
                "", type="tertiary", key=OPEN, on_click=partial(_open, names), width=60
            ),
            "name": st.column_config.TextColumn("run"),
            "run": st.column_config.TextColumn("folder"),
            "started": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "best valid AUC": st.column_config.NumberColumn(LABELS["best valid AUC"], format="%.3f"),
            "accuracy there": st.column_config.NumberColumn(
                LABELS["accuracy there"], format="%.3f", help="In the epoch with the best validation AUC."
            ),
            "slides in training": st.column_config.TextColumn(help="Of the test patches. Expect less on new ones."),
            "tags": st.column_config.TextColumn(width=130),
            "notes": st.column_config.TextColumn(width="medium"),
            "why": st.column_config.TextColumn(width="medium", help="Why it stopped, failed or cannot be read."),
            "minutes": st.column_config.NumberColumn(format="%.1f", help="Elapsed time of all sessions together."),
            **{name: fields.label_of(name) for name in own},
        },
    )  # fmt: skip


def _setting(run: Run, name: str) -> Any:
    try:
        value = run.config().value(name)
    except NodescopeError:
        return None  # the column "why" says what is damaged
    return ", ".join(value) if isinstance(value, tuple) else value


def _tick(names: list[str]) -> None:
    """Take over which rows are ticked: a callback. Runs that the filter hides stay ticked."""
    rows = sent(TABLE, "selection", "rows")
    if rows is None:
        return
    now = {names[row] for row in rows}
    before = [name for name in st.session_state[state.COMPARED] if name in now or name not in names]
    st.session_state[state.COMPARED] = [*before, *(name for name in names if name in now and name not in before)]


def _open(names: list[str]) -> None:
    """Show the run whose button was clicked: a callback."""
    row = sent(OPEN, "row")
    if row is not None:
        st.session_state[state.WANTED_RUN] = names[row]


def _below(kept: list[RunSummary], of: int, runs: list[Run], chosen: list[Run]) -> None:
    """Draw what can be done with the runs in the table and with those that are ticked."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if chosen:
            st.markdown(f"**{len(chosen)} ticked** of {of} runs")
            described.tag_all(chosen, described.known_tags(runs))
            st.button("Untick all", icon=":material/remove_done:", on_click=st.session_state.update,
                      args=({state.COMPARED: []},))  # fmt: skip
        else:
            st.markdown(f"{len(kept)} of {of} runs")
            newest = [each.name for each in kept if each.state != "damaged"][: compare.MOST]
            if len(newest) > 1:
                st.button(
                    f"Compare the {len(newest)} {'in the table' if len(kept) == len(newest) else 'newest'}",
                    icon=":material/compare_arrows:", on_click=st.session_state.update,
                    args=({state.COMPARED: newest},),
                )  # fmt: skip
        widgets.export("Export CSV", to_csv(kept), "runs-research-use-only.csv")
    if len(chosen) < 2:
        st.caption(
            "Tick another run to see how the two differ." if chosen else
            "Tick two or more runs to see their curves in one chart and the settings in which they differ. Scroll the "
            "table sideways for more columns."
        )  # fmt: skip


def _damaged(runs: list[Run], records: list[RunSummary]) -> None:
    """Draw what is damaged, with the button that moves it away."""
    found = [(run, each) for run, each in zip(runs, records, strict=True) if each.state == "damaged"]
    if not found:
        return
    count = f"{len(found)} damaged run{'s' if len(found) > 1 else ''}"
    with st.expander(count, icon=":material/broken_image:", expanded=True):
        for run, each in found:
            left, right = st.columns([1, 4], vertical_alignment="center")
            left.button("Move to trash", icon=":material/delete:", key=f"trash-{run.name}", on_click=layout.attempt,
                        args=(delete, run), kwargs={"done": f"{run.name} is in the trash. {what_loses(run)}".strip()},
                        help=what_loses(run) or None)  # fmt: skip
            right.markdown(each.message)


def _record(run: Run) -> RunSummary:
    """Return the run's row; that of a run on which nothing works is kept, as long as its files are the same."""
    try:
        status = run.status()
    except NodescopeError:
        status = Status(state="damaged")
    if status.is_active:
        return summarise_run(run)
    files = (run.bundle_path, *(run.path / name for name in ("config.json", "status.json", "metrics.csv")))
    stamps = map(cache.file_stamp, (*files, *run.described_in()))
    key = (run.path, status.state, *stamps)
    return cache.recall("run summary", key, lambda: summarise_run(run), most=1000)
