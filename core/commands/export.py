"""``python -m core export``: a data set, a split or a selection as class folders, in Kaggle's layout or as Parquet."""

import csv
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import pandas as pd

from core.commands import options
from core.commands.output import print_json, progress_line
from core.data import SPLITS, Dataset, SplitRule, assign, choose_rule, open_dataset
from core.data.split_file import apply_split, load_split
from core.data.split_rule import CHOICES
from core.data.splits import is_official
from core.display.data_set import LAYOUTS, SUBSETS, Exported, Layout, export_data_set
from core.errors import DataError
from core.progress import Progress


@options.command("export")
@options.data()
@options.out("A new or empty folder.", metavar="DIR", required=True)
@options.option(
    "--layout", type=click.Choice(list(LAYOUTS)), default="folders",
    help="; ".join(f"{name}: {about}" for name, about in LAYOUTS.items()) + ".",
)  # fmt: skip
@options.option(
    "--split", metavar="RULE|FILE", show_default="official where there is one, else none",
    help=f"Divide by a rule ({', '.join(CHOICES)}) or a file of `python -m core split`.",
)  # fmt: skip
@options.option("--subset", type=click.Choice(SUBSETS), default="all", help="Which patches.")
@options.option("--ids", type=options.PATH, metavar="FILE", help="Only the patches in the column id of this CSV.")
@options.decisions
@options.as_json
@options.job
def command(
    data: str,
    out: Path,
    layout: Layout,
    split: str | None,
    subset: str,
    ids: Path | None,
    decisions: str | None,
    as_json: bool,
    job: Path | None,
) -> int:
    """Write patches with labels, groups and a data card, for other programs and for Nodescope itself.

    The folder is there as a whole or not at all. Its README.md says where the patches came from, how many there are of
    each class and group, and a SHA-256 of all.
    """

    def work(report: Progress) -> Exported:
        dataset = open_dataset(data, decisions=decisions)
        rule, splits = divided(dataset, split, needed=subset in ("train", "validation", "test"))
        rows = _among(dataset, rows_of(dataset, splits, subset), ids)
        division = "" if rule is None else rule.describe()
        return export_data_set(
            dataset, rows, out.expanduser(), layout=layout, splits=splits, division=division, progress=report
        )

    if job is not None:
        return options.work_in_job(job, work)
    found = work(progress_line("Exporting"))
    about = {"path": str(found.path), "patches": len(found.table), "unreadable": found.unreadable}
    if as_json:
        print_json({**about, "sha256": found.sha256})
    else:
        print(f"{len(found.table):,} patches in {found.path}, SHA-256 {found.sha256}")
        if found.unreadable:
            print(f"{found.unreadable:,} patches cannot be read and are left out")
    return 1 if found.unreadable else 0


def divided(
    dataset: Dataset, split: str | None, *, needed: bool = False
) -> tuple[SplitRule | None, npt.NDArray[np.str_] | None]:
    """Return the rule of a split and the split of each row; None and None where nothing says how to divide.

    Args:
        dataset: what is divided.
        split: a rule's name, the path of a split file, or None for the official split where there is one.
        needed: take the default rule rather than none.
    """
    if split is None and not needed and not is_official(dataset):
        return None, None
    if split is not None and split not in CHOICES:
        file = load_split(Path(split).expanduser())
        return file.rule, apply_split(file, dataset)
    rule = choose_rule(dataset, split or "default", progress=progress_line("Measuring colours"))
    return rule, assign(dataset, rule)


def rows_of(dataset: Dataset, splits: npt.NDArray[np.str_] | None, subset: str) -> npt.NDArray[np.int64]:
    """Return the rows of a subset, one of :data:`SUBSETS`."""
    labelled = dataset.table["label"].notna().to_numpy()
    wanted = {"all": np.ones(len(dataset), bool), "labelled": labelled, "unlabelled": ~labelled}
    if splits is not None:
        wanted |= dict(zip(("train", "validation", "test"), (splits == each for each in SPLITS), strict=True))
    return np.flatnonzero(wanted[subset])


def _among(dataset: Dataset, rows: npt.NDArray[np.int64], path: Path | None) -> npt.NDArray[np.int64]:
    if path is None:
        return rows
    try:
        ids = pd.read_csv(path, dtype=str, encoding="utf-8-sig", usecols=["id"])["id"]
    except (OSError, ValueError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error}). It must be a CSV file with a column id.") from error
    unknown = ids[~ids.isin(dataset.table["id"])]
    if len(unknown):
        raise DataError(f"{len(unknown):,} ids of {path} are not in {dataset.name}, such as {unknown.iloc[0]}.")
    wanted: npt.NDArray[np.bool_] = dataset.table["id"].iloc[rows].isin(ids).to_numpy(bool)
    return rows[wanted]
