"""A data set: a table of patches and the store that holds their pixels."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from core.data.choices import NOTHING, Choices
from core.data.store import JoinedStore, PatchStore
from core.errors import DataError
from core.errors import Problem as Problem  # it is part of a data set

CLASS_NAMES = ("normal", "tumour")
"""Names of label 0 and label 1."""

SPLITS = ("train", "valid", "test")
"""What patches are for: to learn from, to choose settings by (validation), and to measure only."""

NAMES = ("id", "slide", "patient", "centre")
"""Columns with text from elsewhere, which a spreadsheet must not take for formulas."""

COLUMNS = ("id", "label", "split", "slide", "patient", "centre")


@dataclass(frozen=True)
class Decided:
    """What people's decisions changed in a data set, see :mod:`core.data.decisions`.

    Attributes:
        excluded: number of patches that were excluded.
        relabelled: number of patches whose label was changed.
        before: normal and tumour patches without the decisions.
    """

    excluded: int = 0
    relabelled: int = 0
    before: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Dataset:
    """Patches, their labels, and where both come from.

    Attributes:
        name: shown on screen.
        source: ``"demo"`` or the path it was opened from; opens the same data set again.
        kind: the layout that the patches were read from, "demo", or "joined".
        table: one row a patch, in the store's order. ``id`` (text, unique), ``label`` (Int8: 0 normal, 1 tumour, or
            missing), ``split`` ("train", "valid", "test" as the source gives it), ``slide``, ``patient`` and ``centre``
            (text or missing).
        store: pixels by row number.
        problems: what was excluded when the source was opened.
        masks: bool N×96×96, True where there is tumour; only the demo has them.
        files: stands for the files that hold the patches, see :func:`core.data.listing.digest_of`; empty where there
            are none.
        quick_stamp: stands for the folder just before it was read, see :func:`core.data.listing.quick_stamp_of`; empty
            where there are no files.
        choices: what a person chose when it was opened: which class is tumour, how other sizes become patches.
        decided: what people's decisions changed, or None where they changed nothing.
        undecided: the data set as it was before they changed it, or None where they changed nothing; see :attr:`base`.
    """

    name: str
    source: str
    kind: str
    table: pd.DataFrame
    store: PatchStore
    problems: tuple[Problem, ...] = ()
    masks: np.ndarray | None = None
    files: str = ""
    quick_stamp: str = ""
    choices: Choices = NOTHING
    decided: Decided | None = None
    undecided: "Dataset | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if tuple(self.table.columns) != COLUMNS:
            raise DataError(f"A patch table must have the columns {COLUMNS}, got {tuple(self.table.columns)}.")
        if len(self.table) != len(self.store):
            raise DataError(
                f"{self.name}: {len(self.table)} rows in the table, {len(self.store)} patches in the store."
            )

    def __len__(self) -> int:
        return len(self.table)

    @property
    def base(self) -> "Dataset":
        """The data set without anybody's decisions; itself where no decision changes it."""
        return self if self.undecided is None else self.undecided

    @property
    def is_synthetic(self) -> bool:
        """Whether the patches were generated; such data is marked "synthetic demo" wherever it is shown."""
        return self.kind == "demo"

    @cached_property
    def knows_slides(self) -> bool:
        """Whether every labelled patch has a slide."""
        labelled = self.table[self.table["label"].notna()]
        return len(labelled) > 0 and bool(labelled["slide"].notna().all())

    def labels(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the labels of `rows` as int64.

        Raises:
            DataError: a row has no label.
        """
        labels = self.table["label"].iloc[np.asarray(rows)]
        if labels.isna().any():
            raise DataError(f"{int(labels.isna().sum())} of {len(labels)} patches of {self.name} have no label.")
        numbers: np.ndarray = labels.to_numpy(dtype=np.int64)
        return numbers

    def slides(self, rows: Sequence[int] | np.ndarray) -> np.ndarray | None:
        """Return the slides of `rows` as text, or None unless the slide of every labelled patch is known."""
        if not self.knows_slides:
            return None
        slides: np.ndarray = self.table["slide"].to_numpy(dtype=object)[np.asarray(rows)]
        return slides

    def left_out(self) -> str:
        """Return a sentence on how many patches of the source are not in the table and why, or "" where all are.

        Example:
            >>> dataset.left_out()
            'set: 120 patches are used and 30 left out: 30 without a label (such as a: in train/, but not in ...).'
        """
        return self._left_out

    @cached_property
    def _left_out(self) -> str:
        groups: dict[str, list[Problem]] = {}
        for problem in self.problems:
            if problem.patches != 0:
                groups.setdefault(problem.kind, []).append(problem)
        if not groups:
            return ""
        total = _count(problem for problems in groups.values() for problem in problems)
        reasons = "; ".join(_reason(kind, problems) for kind, problems in groups.items())
        return f"{self.name}: {len(self):,} patches are used and {total} left out: {reasons}."

    def class_counts(self) -> tuple[int, int]:
        """Return how many patches are labelled normal and how many tumour."""
        label = self.table["label"]
        return int((label == 0).sum()), int((label == 1).sum())

    def fingerprint(self) -> str:
        """Return 16 hex digits that stand for the ids, labels and slides, whatever their order or place on disk."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        rows = self.table[["id", "label", "slide"]].astype("string").fillna("")
        # Lists, because going through a pandas column one by one takes five times as long.
        columns = (rows[name].to_list() for name in rows.columns)
        lines = sorted(f"{patch_id},{label},{slide}" for patch_id, label, slide in zip(*columns, strict=True))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def stamp(self) -> str:
        """Return 16 hex digits that change with the fingerprint and when a file of the patches has changed."""
        return hashlib.sha256(f"{self.fingerprint()} {self.files}".encode()).hexdigest()[:16]


def _count(problems: Iterable[Problem]) -> str:
    """Return how many patches are left out for problems, in words where nobody can tell."""
    counts = [problem.patches for problem in problems]
    known = sum(each for each in counts if each is not None)
    if None not in counts:
        return f"{known:,}"
    return f"more than {known:,}" if known else "an unknown number"


def _reason(kind: str, problems: list[Problem]) -> str:
    first = problems[0]
    reason = first.reason.removeprefix("excluded: ").removesuffix(".")
    such = "such as " if len(problems) > 1 else ""
    return f"{' '.join(filter(None, (_count(problems), kind)))} ({such}{first.name}: {reason})"


def make_table(
    ids: Sequence[str],
    *,
    labels: Sequence[int | None] | np.ndarray | None = None,
    split: str | Sequence[str],
    slides: Sequence[str | None] | None = None,
    patients: Sequence[str | None] | None = None,
    centres: Sequence[str | None] | None = None,
) -> pd.DataFrame:
    """Return a patch table with its columns and their types; what is None is missing of all patches."""
    count = len(ids)
    groups = {"slide": slides, "patient": patients, "centre": centres}
    return pd.DataFrame(
        {
            "id": pd.array(list(ids), dtype="string"),
            "label": pd.array([None] * count if labels is None else list(labels), dtype="Int8"),
            "split": pd.Categorical([split] * count if isinstance(split, str) else list(split)),
        }
        | {
            name: pd.array([None] * count if values is None else list(values), dtype="string")
            for name, values in groups.items()
        }
    )


def exported(table: pd.DataFrame) -> pd.DataFrame:
    """Return a patch table as files have it: without patients and centres where none is known, as before them."""
    return table.drop(columns=[name for name in ("patient", "centre") if table[name].isna().all()])


def join(datasets: Sequence[Dataset]) -> Dataset:
    """Return one data set of several, in order.

    Raises:
        DataError: no data set, or two hold the same id.
    """
    if not datasets:
        raise DataError("No data set was given; give at least one folder, or 'demo'.")
    if len(datasets) == 1:
        return datasets[0]
    table = pd.concat([dataset.table.astype({"split": "string"}) for dataset in datasets], ignore_index=True)
    table["split"] = table["split"].astype("category")
    repeated = table["id"][table["id"].duplicated()]
    if len(repeated):
        raise DataError(f"{len(repeated)} ids stand in more than one of the data sets, such as {repeated.iloc[0]}.")
    return Dataset(
        name=" + ".join(dataset.name for dataset in datasets),
        source=" + ".join(dataset.source for dataset in datasets),
        kind="joined",
        table=table,
        store=JoinedStore([dataset.store for dataset in datasets]),
        problems=tuple(problem for dataset in datasets for problem in dataset.problems),
        files=" ".join(dataset.files for dataset in datasets),
        decided=_sum_of_decided(datasets),
        undecided=None if all(each.base is each for each in datasets) else join([each.base for each in datasets]),
    )


def _sum_of_decided(datasets: Sequence[Dataset]) -> Decided | None:
    if all(dataset.decided is None for dataset in datasets):
        return None
    each = [dataset.decided or Decided(before=dataset.class_counts()) for dataset in datasets]
    normal, tumour = (sum(one.before[label] for one in each) for label in (0, 1))
    return Decided(sum(one.excluded for one in each), sum(one.relabelled for one in each), (normal, tumour))
