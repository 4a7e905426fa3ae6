"""``python -m core split``: divide a data set, see how it falls, and save the division."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.commands.options import check_folder, progress_line
from core.data import Dataset, assign, choose_rule, open_dataset
from core.data.split_file import SplitFile, make_split_file, save_split
from core.data.split_summary import SplitSummary, summarise
from core.data.splits import CHOICES, TEST, VALID
from core.storage import atomic, spreadsheet


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "split",
        help="divide a data set, see how it falls, and save the division",
        description="Divide the labelled patches into training, validation and test part, print how classes, slides "
        "and colours fall, and save the division as a small file for `python -m core train --split FILE`.",
    )
    parser.add_argument("--data", required=True, metavar="DIR|demo", help="a Kaggle or PCam folder, or 'demo'")
    parser.add_argument(
        "--by",
        choices=CHOICES,
        default="default",
        help="patch: at random; slide: whole slides; stratified: at random with exact shares of each class; colour: "
        "whole clusters of colour are held out; official: as the data set says; default: official where there is one, "
        "else by slide where slides are known, else by patch",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another one gives another split (default: 0)")
    parser.add_argument("--valid", type=float, default=VALID, metavar="SHARE", help=f"validation (default: {VALID})")
    parser.add_argument("--test", type=float, default=TEST, metavar="SHARE", help=f"test part (default: {TEST})")
    parser.add_argument("--folds", type=int, default=0, metavar="K", help="K folds, one of which is the test part")
    parser.add_argument("--fold", type=int, default=0, metavar="I", help="which one, from 0 on (default: 0)")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="save the division")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write id and part of every labelled patch")
    parser.add_argument("--json", action="store_true", help="print what is saved as JSON")
    parser.set_defaults(run=run_split)


def run_split(arguments: argparse.Namespace) -> int:
    """Divide, print, save, and return 0."""
    for path in (arguments.out, arguments.csv):
        check_folder(path)
    dataset = open_dataset(arguments.data, progress=progress_line("Generating the demo set"))
    rule = choose_rule(
        dataset,
        arguments.by,
        seed=arguments.seed,
        valid=arguments.valid,
        test=arguments.test,
        folds=arguments.folds,
        fold=arguments.fold,
        progress=progress_line("Measuring colours"),
    )
    parts = assign(dataset, rule)
    split = make_split_file(dataset, rule, parts)
    if arguments.out is not None:
        save_split(split, arguments.out)
    if arguments.csv is not None:
        atomic.write_text(arguments.csv, parts_csv(dataset, parts))
    if arguments.json:
        print(json.dumps(split.to_json(), indent=2, ensure_ascii=False))
    else:
        print(describe(split, summarise(dataset, rule, parts, progress=progress_line("Looking at colours"))))
    return 0


def parts_csv(dataset: Dataset, parts: npt.NDArray[np.str_]) -> str:
    """Return id and part of every labelled patch as CSV."""
    table = pd.DataFrame({"id": [spreadsheet.plain(each) for each in dataset.table["id"]], "part": parts})
    text: str = table[parts != ""].to_csv(index=False, lineterminator="\n")
    return text


def describe(split: SplitFile, summary: SplitSummary) -> str:
    """Return the division in plain lines."""
    table = summary.table.reset_index().rename(columns={"tumour_share": "tumour share"})
    table["tumour share"] = table["tumour share"].map("{:.1%}".format)
    table["brightness"] = table["brightness"].map("{:.0f}".format)
    for name in ("haematoxylin", "eosin"):
        table[name] = table[name].map("{:.3f}".format)
    table["slides"] = ["unknown" if pd.isna(count) else f"{int(count):,}" for count in table["slides"]]
    lines = [
        f"{split.name} [{split.fingerprint}]: {split.rule.describe()}",
        table.to_string(index=False),
        f"Colours are means over {len(summary.colours):,} patches (densities of the stains).",
    ]
    if summary.duplicates:
        lines.append(f"{summary.duplicates:,} pairs of (nearly) the same patch lie in different splits; see `check`.")
    return "\n".join([*lines, summary.caution, f"SHA-256 of ids and parts: {split.digest}"])
