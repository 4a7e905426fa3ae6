"""Why a split of a data set lacks patches of a class."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.data.dataset import SPLITS, Dataset, Problem
from core.data.splits import SplitRule

FEW = 10
"""Patches of a class below which chance decides whether each split gets one: with 10, one of 10% has none in 35%."""


def shortage(
    dataset: Dataset, rule: SplitRule, splits: npt.NDArray[np.str_], *, unreadable: Sequence[Problem] = ()
) -> str:
    """Return why a split lacks a class, and what to do.

    Args:
        dataset: what was split.
        rule: how.
        splits: of each row, as :func:`core.data.assign` returns them.
        unreadable: patches that were dropped afterwards.
    """
    sentences = []
    counts = dataset.class_counts()
    if unreadable:
        first = str(unreadable[0]).rstrip(".")
        sentences.append(f"{len(unreadable):,} patches that it would use cannot be read, such as {first}.")
    if left_out := dataset.left_out():
        sentences.append(left_out)
    slides = dataset.table["slide"][splits != ""].nunique()
    if not sum(counts):
        sentences.append("No patch has a label.")
    elif min(counts) < FEW:
        sentences.append(
            f"All of {dataset.name} has {counts[0]:,} normal and {counts[1]:,} tumour patches: label more of the "
            "rarer class, some tens at least, or try another split seed."
        )
    elif rule.by == "slide" and slides <= len(SPLITS):
        which = f"one slide, {dataset.table['slide'][splits != ''].iloc[0]}" if slides == 1 else f"{slides} slides only"
        sentences.append(
            f"The patches come from {which}, and a split by slide keeps those of a slide together. Add patches of "
            "other slides, or split by patch (--split patch), which measures too well for new slides."
        )
    elif not unreadable:
        sentences.append("Use more patches, or another split seed.")
    return " ".join(sentences)
