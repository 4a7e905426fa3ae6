"""What Browse knows of every patch of a data set, as columns: made once for a data set, looked up ever after."""

import weakref
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.data import SPLITS, Dataset, assign, default_rule
from core.data.measures import MEASURES
from core.data.quality import FLAGS, Check
from pages._ui import cache
from pages._ui.browse import check as browse_checked
from pages._ui.browse import curation, predictions
from pages._ui.browse.predictions import Predicted
from pages._ui.cache import Relabelled

NO_LABEL = "no label"
PROBABILITY, LOSS = "probability", "loss"


class Fixed:
    """What follows from the table of a data set alone.

    Attributes:
        label: int8 (N,): 1, 0, or -1 where there is none.
        ids: object (N,).
        part_names: the parts that there are; `part` are positions in them.
        slide_names: the slides that there are; `slide` are positions in them, -1 where it is not known.
        division: how the parts are made, in words.
    """

    def __init__(self, dataset: Dataset):
        table = dataset.table
        rule = default_rule(dataset)
        parts = assign(dataset, rule)
        parts = np.where(parts == "", NO_LABEL, parts.astype(f"<U{len(NO_LABEL)}"))
        self.label: npt.NDArray[np.int8] = table["label"].fillna(-1).to_numpy(np.int8)
        self.ids: npt.NDArray[np.object_] = table["id"].to_numpy(dtype=object)
        self.part_names = [name for name in (*SPLITS, NO_LABEL) if (parts == name).any()]
        self.part: npt.NDArray[np.int8] = np.full(len(table), -1, np.int8)
        for place, name in enumerate(self.part_names):
            self.part[parts == name] = place
        self.slide, self.slide_names = _codes(table["slide"].to_numpy(dtype=object, na_value=None))
        self.division = rule.describe()

    @cached_property
    def index(self) -> pd.Index:
        """Finds the row of an id."""
        return pd.Index(self.ids)

    @cached_property
    def id_order(self) -> npt.NDArray[np.int64]:
        """Rank of each row when all are sorted by id, int64 (N,)."""
        rank = np.empty(len(self.ids), np.int64)
        rank[np.argsort(self.ids, kind="stable")] = np.arange(len(self.ids))
        return rank

    def row(self, patch_id: str) -> int | None:
        """Return the row of an id, or None."""
        found = int(self.index.get_indexer([patch_id])[0])
        return None if found < 0 else found


@dataclass(frozen=True, eq=False)
class PatchColumns:
    """What is known of each patch of a data set.

    Attributes:
        dataset: the patches.
        fixed: what follows from its table.
        check: the check, or None.
        flags: name -> bool (N,); empty without a check.
        predicted: what the sidebar's model says of the patches, or None.
        columns: numbers by which can be sorted and cut: float (N,), NaN where not known.
        relabelled: the patches whose label a decision changes.
    """

    dataset: Dataset
    fixed: Fixed
    check: Check | None
    flags: dict[str, npt.NDArray[np.bool_]]
    predicted: Predicted | None
    columns: dict[str, npt.NDArray[np.floating]]
    relabelled: Relabelled = field(default_factory=dict)

    def label(self, row: int) -> int:
        """Return the label of a patch as it was decided, 1, 0 or -1, also where `dataset` knows of no decision."""
        both = self.relabelled.get(str(self.fixed.ids[row]))
        return int(self.fixed.label[row]) if both is None else both[1]

    def label_words(self, row: int) -> str:
        """Return the label of a patch in words; of a relabelled one the label that the data give as well."""
        return curation.label_words(int(self.fixed.label[row]), self.relabelled.get(str(self.fixed.ids[row])))


def patch_columns(dataset: Dataset) -> PatchColumns:
    """Return what is known of a data set; only what has changed is worked out anew."""
    checked = browse_checked.found(dataset)
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
    return PatchColumns(dataset, fixed(dataset), check, flags, predicted, columns, cache.relabelled(dataset))


def fixed(dataset: Dataset) -> Fixed:
    """Return what follows from the table, worked out once."""
    held = _held()
    for table, value in held:
        if table() is dataset.table:
            return value
    value = Fixed(dataset)
    held[:] = [(weakref.ref(dataset.table), value), *held[:3]]
    return value


@st.cache_resource(show_spinner=False)
def _held() -> "list[tuple[weakref.ref[object], Fixed]]":
    return []


def _codes(values: npt.NDArray[np.object_]) -> tuple[npt.NDArray[np.int32], list[str]]:
    codes, names = pd.factorize(values, sort=True)
    return codes.astype(np.int32), [str(name) for name in names]
