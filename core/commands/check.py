"""``python -m core check``: what is wrong with the patches of a data set."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.commands.options import add_decisions, as_job, progress_line
from core.data import Dataset, assign, choose_rule, open_dataset
from core.data.quality import FLAGS, findings, load_check, make_check
from core.data.split_file import apply_split, load_split
from core.data.splits import CHOICES
from core.storage import atomic
from core.storage.spreadsheet import plain

SHOWN = 3
"""So many ids are named for each finding."""


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "check",
        help="find bad, doubled and leaking patches",
        description="Look at every patch once: unreadable, black, blank, blurred, duplicates and near duplicates, "
        "duplicates whose labels differ, duplicates in different splits (a leak). What was found is "
        "stored. Exit status 1 if patches leak or cannot be read.",
    )
    parser.add_argument("data", metavar="DIR|demo", help="a Kaggle or PCam folder, or 'demo'")
    parser.add_argument(
        "--split",
        default="default",
        metavar="NAME|FILE",
        help=f"the split whose leaks are looked for: {', '.join(CHOICES)}, or a file of `python -m core split` "
        "(default: as training divides the data unless told otherwise)",
    )
    parser.add_argument("--fresh", action="store_true", help="look again although the files have not changed")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write one line for each patch")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_decisions(parser)
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    parser.set_defaults(run=run_check)


def run_check(arguments: argparse.Namespace) -> int:
    """Check and return 0, or 1 on leaks or unreadable files."""
    if arguments.job is not None:
        return as_job(arguments.job, lambda report: make_check(arguments.data, progress=report))
    generating = progress_line("Generating the demo set")
    dataset = open_dataset(arguments.data, progress=generating, fresh=True, decisions=arguments.decisions)
    check = None if arguments.fresh else load_check(dataset)
    if check is None:
        check = make_check(dataset.source, progress=progress_line("Checking", patches=len(dataset)))
    words, parts = _split(dataset, arguments.split)
    table = findings(check, dataset, parts)
    if arguments.csv is not None:
        atomic.write_text(arguments.csv, _csv(dataset, table))
    counts = {name: int(table[name].sum()) for name in FLAGS}
    if arguments.json:
        left_out = [{"name": problem.name, "reason": problem.reason} for problem in dataset.problems]
        print(json.dumps({"patches": len(dataset), "split": words, "flags": counts, "left_out": left_out}, indent=2))
    else:
        _print(dataset, table, counts, words)
    return 1 if counts["leak"] or counts["unreadable"] else 0


def _split(dataset: Dataset, wanted: str) -> tuple[str, npt.NDArray[np.str_]]:
    """Return the split that is meant, in words, and the part of every row."""
    if wanted in CHOICES:
        rule = choose_rule(dataset, wanted, progress=progress_line("Measuring colours"))
        return rule.describe(), assign(dataset, rule)
    split = load_split(Path(wanted).expanduser())
    return split.rule.describe(), apply_split(split, dataset)


def _print(dataset: Dataset, table: pd.DataFrame, counts: dict[str, int], split: str) -> None:
    print(f"{dataset.name}: {len(dataset):,} patches, {len(dataset.problems):,} left out")
    for problem in dataset.problems[:SHOWN]:
        print(f"  {problem}")
    print(f"split: {split}")
    for name, words in FLAGS.items():
        ids = list(dataset.table["id"][table[name].to_numpy()])
        some = f"  ({', '.join(ids[:SHOWN])}{', …' if len(ids) > SHOWN else ''})" if ids else ""
        print(f"{name + ':':<16}{counts[name]:>8,}  {words}{some}")


def _csv(dataset: Dataset, table: pd.DataFrame) -> str:
    known = dataset.table.astype({"split": str}).reset_index(drop=True)
    for column in ("id", "slide"):
        known[column] = [plain(text) for text in known[column].fillna("")]
    whole = pd.concat([known, table.round(4).astype(dict.fromkeys(FLAGS, int))], axis=1)
    text: str = whole.to_csv(index=False, lineterminator="\n")
    return text
