"""``python -m core check``: what is wrong with the patches of a data set."""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from core import atomic
from core.commands.options import progress_line
from core.commands.predict import spreadsheet_safe
from core.data import Dataset, open_dataset
from core.data.check import FLAGS, findings, load_check, make_check
from core.errors import NodescopeError
from core.job import Job, JobStatus

SHOWN = 3
"""So many ids are named for each finding."""


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "check",
        help="find bad, doubled and leaking patches",
        description="Look at every patch once: unreadable, black, blank, blurred, duplicates and near duplicates, "
        "duplicates whose labels differ, duplicates in different parts of the split (a leak). What was found is "
        "stored. Exit status 1 if patches leak or cannot be read.",
    )
    parser.add_argument("data", metavar="DIR|demo", help="a Kaggle or PCam folder, or 'demo'")
    parser.add_argument("--fresh", action="store_true", help="look again although the files have not changed")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write one line for each patch")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    parser.set_defaults(run=run_check)


def run_check(arguments: argparse.Namespace) -> int:
    """Check and return 0, or 1 on leaks or unreadable files."""
    if arguments.job is not None:
        return _run_job(arguments)
    dataset = open_dataset(arguments.data, progress=progress_line("Generating the demo set"))
    check = None if arguments.fresh else load_check(dataset)
    if check is None:
        check = make_check(dataset.source, progress=progress_line("Checking"))
    table = findings(check, dataset)
    if arguments.csv is not None:
        atomic.write_text(arguments.csv, _csv(dataset, table))
    counts = {name: int(table[name].sum()) for name in FLAGS}
    if arguments.json:
        left_out = [{"name": problem.name, "reason": problem.reason} for problem in dataset.problems]
        print(json.dumps({"patches": len(dataset), "flags": counts, "left_out": left_out}, indent=2))
    else:
        _print(dataset, table, counts)
    return 1 if counts["leak"] or counts["unreadable"] else 0


def _print(dataset: Dataset, table: pd.DataFrame, counts: dict[str, int]) -> None:
    print(f"{dataset.name}: {len(dataset):,} patches, {len(dataset.problems):,} left out")
    for problem in dataset.problems[:SHOWN]:
        print(f"  {problem}")
    for name, words in FLAGS.items():
        ids = list(dataset.table["id"][table[name].to_numpy()])
        some = f"  ({', '.join(ids[:SHOWN])}{', …' if len(ids) > SHOWN else ''})" if ids else ""
        print(f"{name + ':':<16}{counts[name]:>8,}  {words}{some}")


def _csv(dataset: Dataset, table: pd.DataFrame) -> str:
    known = dataset.table.astype({"split": str}).reset_index(drop=True)
    for column in ("id", "slide"):
        known[column] = [spreadsheet_safe(text) for text in known[column].fillna("")]
    whole = pd.concat([known, table.round(4).astype(dict.fromkeys(FLAGS, int))], axis=1)
    text: str = whole.to_csv(index=False, lineterminator="\n")
    return text


def _run_job(arguments: argparse.Namespace) -> int:
    """Check in the background for the page; the job's folder says how it goes."""
    job = Job(arguments.job)
    try:
        return 0 if job.work(lambda report: make_check(arguments.data, progress=report)).state == "finished" else 1
    except NodescopeError as error:
        job.write(JobStatus("failed", message=str(error)))
        raise
