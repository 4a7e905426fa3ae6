"""All that is known of the patches of a data set, as columns: worked out once for a data set, then looked up."""

import os
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.data import Dataset, assign, choose_rule
from core.data.dataset import GROUPS
from core.data.image_files import SUFFIXES
from core.data.measures import MEASURES
from core.data.quality import FLAGS, Check, check_path, findings, load_check
from core.data.split_summary import divided_groups, leak_words
from core.data.tags import tags_of, tags_path
from core.errors import DataError
from pages._ui import cache
from pages._ui.browse import curation, predictions
from pages._ui.browse.predictions import Predicted

SPLIT_NAMES = {"train": "train", "valid": "validation", "test": "test", "": "no label"}
"""Splits as data sets and rules name them, and as the page does."""

PROBABILITY, LOSS = "probability", "loss"

Checked = tuple[Check, pd.DataFrame]
"""A check, and its findings: one row for each patch, see :func:`core.data.quality.findings`."""


@dataclass(frozen=True)
class Group:
    """The slides (patients, centres) of the patches.

    Attributes:
        codes: int (N,), positions in `names`, -1 where it is unknown.
        names: those that occur, in order.
    """

    codes: npt.NDArray[np.signedinteger]
    names: list[str]


class Fixed:
    """What follows from the table of a data set alone.

    Attributes:
        label: int8 (N,): 1, 0, or -1 where there is none.
        ids: object (N,).
        split_names: the splits that occur; `split` holds positions in them.
        groups: the slides, patients and centres, those of them that any patch has.
        division: a description of the rule that makes the splits.
        leaks: which slides and patients lie in more than one of these splits, in words.
    """

    def __init__(self, dataset: Dataset):
        table = dataset.table
        rule = choose_rule(dataset)
        assigned = assign(dataset, rule)
        self.label: npt.NDArray[np.int8] = table["label"].fillna(-1).to_numpy(np.int8)
        self.ids: npt.NDArray[np.object_] = table["id"].to_numpy(dtype=object)
        there = [split for split in SPLIT_NAMES if (assigned == split).any()]
        self.split_names = [SPLIT_NAMES[split] for split in there]
        self.split: npt.NDArray[np.int8] = pd.Index(there).get_indexer(assigned).astype(np.int8)
        self.groups: dict[str, Group] = {group: _group(table[group]) for group in GROUPS if table[group].notna().any()}
        self.division = rule.describe()
        divided = divided_groups(dataset, assigned)
        self.leaks = [leak_words(dataset, group, names) for group, names in divided.items() if group != "centre"]

    @cached_property
    def index(self) -> pd.Index:
        """Finds the row of an id."""
        return pd.Index(self.ids)

    @cached_property
    def id_order(self) -> npt.NDArray[np.int64]:
        """Rank of each row when all are sorted by id, int64 (N,)."""
        rank = np.empty(len(self.ids), np.int64)
        # The inverse of the permutation that sorts the ids.
        rank[np.argsort(self.ids, kind="stable")] = np.arange(len(self.ids))
        return rank

    def origin(self, row: int) -> list[str]:
        """Return where a patch comes from, in words such as "slide 7"."""
        known = [(name, group) for name, group in self.groups.items() if group.codes[row] >= 0]
        return [f"{name} {group.names[group.codes[row]]}" for name, group in known]

    def row(self, given: str) -> int | None:
        """Return the row of an id, or of the path of its file, or None."""
        stem, suffix = os.path.splitext(given.strip(" \"'").replace("\\", "/"))
        parts = (stem if suffix.lower() in SUFFIXES else stem + suffix).split("/")
        # Where class folders give the ids, the folder is a part of them: the longest id is meant.
        rows = self.index.get_indexer([given, *("/".join(parts[at:]) for at in range(len(parts)))])
        return next((int(row) for row in rows if row >= 0), None)


def _group(column: pd.Series) -> Group:
    codes, names = pd.factorize(column.to_numpy(dtype=object, na_value=None), sort=True)
    return Group(codes.astype(np.int32), [str(name) for name in names])


@dataclass(frozen=True, eq=False)
class PatchColumns:
    """All that is known of each patch of a data set.

    Attributes:
        dataset: the patches.
        fixed: what follows from its table alone.
        check: the check, or None.
        flags: name -> bool (N,); empty without a check.
        predicted: the predictions of the sidebar's model, or None.
        columns: numbers to sort and filter by: float (N,), NaN where unknown.
        relabelled: the patches whose label a decision changes.
        relabelled_before: those whose label one changed when `dataset` was made, where that is another time.
        tags: name -> bool (N,).
    """

    dataset: Dataset
    fixed: Fixed
    check: Check | None
    flags: dict[str, npt.NDArray[np.bool_]]
    predicted: Predicted | None
    columns: dict[str, npt.NDArray[np.floating]]
    relabelled: cache.Relabelled = field(default_factory=dict)
    relabelled_before: cache.Relabelled = field(default_factory=dict)
    tags: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)

    def label(self, row: int) -> int:
        """Return the label of a patch as it was decided, 1, 0 or -1, also where `dataset` is without decisions."""
        both = self.relabelled.get(str(self.fixed.ids[row]))
        return self._given(row) if both is None else both[1]

    def label_words(self, row: int) -> str:
        """Return the text of a patch's label; of a relabelled one also the label that the data give."""
        return curation.label_words(self._given(row), self.relabelled.get(str(self.fixed.ids[row])))

    def as_decided_now(self) -> "PatchColumns":
        """Return the same rows with the labels of the latest decisions: for a dialog that outlives them."""
        return replace(self, relabelled=cache.relabelled(self.dataset), relabelled_before=self.relabelled)

    def _given(self, row: int) -> int:
        """Return the label without the latest decisions; one may have been taken back since the table was made."""
        both = self.relabelled_before.get(str(self.fixed.ids[row]))
        return int(self.fixed.label[row]) if both is None else both[0]


def patch_columns(dataset: Dataset) -> PatchColumns:
    """Return what is known of a data set; only what has changed is worked out again."""
    checked = checked_patches(dataset)
    predicted = predictions.predicted(dataset)
    columns: dict[str, npt.NDArray[np.floating]] = {}
    flags: dict[str, npt.NDArray[np.bool_]] = {}
    if checked is not None:
        table = checked[1]
        columns |= {name: table[name].to_numpy() for name in MEASURES}
        flags = {name: table[name].to_numpy(bool) for name in FLAGS}
    if predicted is not None:
        columns |= {PROBABILITY: predicted.probability, LOSS: predicted.loss}
    check = None if checked is None else checked[0]
    known = fixed(dataset)
    return PatchColumns(
        dataset, known, check, flags, predicted, columns, cache.relabelled(dataset), tags=_tags(dataset, known)
    )


def _tags(dataset: Dataset, known: Fixed) -> dict[str, npt.NDArray[np.bool_]]:
    def make() -> dict[str, npt.NDArray[np.bool_]]:
        masks = {}
        for tag, ids in tags_of(dataset.source).items():
            rows = known.index.get_indexer(list(ids))
            masks[tag] = np.zeros(len(known.ids), bool)
            masks[tag][rows[rows >= 0]] = True  # of an excluded patch there is no row
        return masks

    try:
        return cache.recall("tags", (*cache.key_of(dataset), cache.file_stamp(tags_path(dataset.source))), make, most=4)
    except DataError as error:
        st.caption(f":material/warning: {error}")
        return {}


def fixed(dataset: Dataset) -> Fixed:
    """Return what follows from the table alone."""
    return cache.recall("columns", cache.key_of(dataset), lambda: Fixed(dataset), most=4)


def checked_patches(dataset: Dataset) -> Checked | None:
    """Return the check of the data set and its findings, or None if it was not checked as it is now."""

    def make() -> Checked | None:
        check = load_check(dataset)
        # Leaks and conflicts follow from labels and split, so a check does not store them.
        return None if check is None else (check, findings(check, dataset, assign(dataset, choose_rule(dataset))))

    key = (*cache.key_of(dataset), cache.file_stamp(check_path(dataset.source)))
    return cache.recall("check", key, make, most=4)
