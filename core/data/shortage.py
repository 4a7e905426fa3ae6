"""Why a split of a data set lacks patches of a class."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.data.dataset import SPLITS, Dataset, Problem
from core.data.split_rule import SplitRule

FEW = 10
"""Patches of a class below which chance decides whether each split gets one: with 10, one of 10% has none in 35%."""


def shortage(
    dataset: Dataset, rule: SplitRule, splits: npt.NDArray[np.str_], *, unreadable: Sequence[Problem] = ()
) -> str:
    """Return why a split lacks a class, and what to do.

    `splits` are those of :func:`core.data.assign`; `unreadable` patches were dropped from them afterwards.
    """
    sentences = []
    counts = dataset.class_counts()
    if unreadable:
        first = str(unreadable[0]).rstrip(".")
        sentences.append(f"{len(unreadable):,} patches that it would use cannot be read, such as {first}.")
    if left_out := dataset.left_out():
        sentences.append(left_out)
    group = dataset.table[rule.by][splits != ""] if rule.groups and rule.by != "patch" else pd.Series()
    if not sum(counts):
        sentences.append("No patch has a label.")
    elif min(counts) < FEW:
        sentences.append(
            f"All of {dataset.name} has {counts[0]:,} normal and {counts[1]:,} tumour patches: label more of the "
            "rarer class, some tens at least, or try another split seed."
        )
    elif len(group) and group.nunique() <= len(SPLITS):
        by, count = rule.by, group.nunique()
        which = f"one {by}, {group.iloc[0]}" if count == 1 else f"{count} {by}s only"
        sentences.append(
            f"The patches come from {which}, and a split by {by} keeps those of a {by} together. Add patches of "
            f"other {by}s, or split by patch (--split patch), which measures too well for new {by}s."
        )
    elif not unreadable:
        sentences.append("Use more patches, or another split seed.")
    return " ".join(sentences)
