"""Data sets and how they are divided."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from core.data import CLASS_NAMES, Dataset, SplitRule, assign, choose_rule, open_dataset
from core.data.split_file import make_split_file, save_split
from core.display import CLASS_COLOURS
from core.reports.chart_theme import empty_chart


def open_data(source: str | Path) -> Dataset:
    """Open a data set: "demo", or a folder, table or zip in any layout that the viewer opens.

    Returns:
        The data set. ``len()`` counts its patches, ``.table`` has id, label, split and groups of each,
        ``.store.load(rows).pixels`` gives uint8 N×96×96×3, ``.problems`` says what was left out.

    Raises:
        DataError: nothing there can be opened; the sentence says what was expected.
    """
    return open_dataset(source)


@dataclass(frozen=True, eq=False)
class Division:
    """A data set that is divided into training, validation and test split.

    Attributes:
        dataset: what was divided.
        rule: how; it divides any copy of the data set alike.
        splits: "train", "valid", "test" or "" (no label) of each patch, str (N,).
    """

    dataset: Dataset
    rule: SplitRule
    splits: npt.NDArray[np.str_]

    def rows(self, split: str) -> npt.NDArray[np.int64]:
        """Return the row numbers of "train", "valid" or "test"."""
        return np.flatnonzero(self.splits == split)

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each labelled patch: id, label, split, and groups where they are known."""
        return self.dataset.listed.assign(split=self.splits)[self.splits != ""].reset_index(drop=True)

    def plot(self) -> go.Figure:
        """Return the patches of each split by class, as bars."""
        counts = self.to_frame().value_counts(["split", "label"])
        figure = empty_chart("Patches in each split", y="patches", legend="above")
        for label, (name, colour) in enumerate(zip(CLASS_NAMES, CLASS_COLOURS, strict=True)):
            heights = [int(counts.get((split, label), 0)) for split in ("train", "valid", "test")]
            figure.add_bar(x=["train", "validation", "test"], y=heights, name=name, marker_color=colour)
        return figure

    def save(self, path: str | Path) -> Path:
        """Write the division as a small file for ``train(..., split=path)``. Raises :class:`StorageError`."""
        save_split(make_split_file(self.dataset, self.rule, self.splits), Path(path))
        return Path(path)


def split(
    dataset: Dataset, by: str = "default", *, seed: int = 0, validation: float = 0.15, test: float = 0.15
) -> Division:
    """Divide a data set.

    Args:
        dataset: what is divided.
        by: "default" is its own division, else whole patients or slides where they are known, else single patches;
            or "slide", "patient", "centre", "patch", "stratified", "colour", "official".
        seed: of the division.
        validation: share of the patches.
        test: likewise.

    Raises:
        DataError: it cannot be divided so.
    """
    rule = choose_rule(dataset, by, seed=seed, valid=validation, test=test)
    return Division(dataset, rule, assign(dataset, rule))
