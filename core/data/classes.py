"""From what a reader lists to a patch table: labels by the names of classes or as a person says, sizes as chosen."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.data.choices import Choices
from core.data.dataset import COLUMNS, Problem, make_table
from core.data.picture_store import refitted
from core.data.readers import Listing
from core.data.readers.names import MISSING, known_label
from core.data.store import PatchStore, RowStore
from core.errors import ChoiceError, DataError
from core.images.sizes import Fit


def labels_of(counts: Mapping[str, int], choices: Choices) -> dict[str, int | None]:
    """Return the label of each class: 0, 1, -1 for no label, or None for what is neither and left out.

    Args:
        counts: patches by the name of their class.
        choices: which classes a person chose; where one side is not chosen, names that tell it are taken for it.

    Raises:
        ChoiceError: nobody chose, and not all names tell what they are.
        DataError: a chosen name is none of the classes, or stands on both sides.
    """
    classes = ", ".join(f"{name} ({count:,})" for name, count in counts.items())
    if not choices.tumour and not choices.normal:
        found = {name: known_label(name) for name in counts}
        if None in found.values():
            tumour, normal = (_example(found, label) for label in (1, 0))
            raise ChoiceError(
                f"Its classes are {classes}. Say which are tumour and which are normal: under 'Data set' in the "
                f"sidebar, or with --tumour {tumour} --normal {normal}, for example. What is neither is left out.",
                about="classes",
            )
        return found
    by_key = {name.casefold(): name for name in counts}
    sides = [{by_key.get(each.casefold(), each) for each in side} for side in (choices.normal, choices.tumour)]
    if unknown := sorted((sides[0] | sides[1]) - counts.keys()):
        raise DataError(f"'{unknown[0]}' is none of its classes, which are {classes}. Choose the classes again.")
    if both := sorted(sides[0] & sides[1]):
        raise DataError(f"The class '{both[0]}' was chosen as tumour and as normal. Choose one of them.")
    open_sides = {label for label in (0, 1) if not sides[label]}
    return {
        name: 0 if name in sides[0] else 1 if name in sides[1] else known if known in open_sides else None
        for name in counts
        for known in [known_label(name)]
    }


def _example(found: Mapping[str, int | None], label: int) -> str:
    """Return a class that may have a label: one whose name tells it, else the first or the last."""
    return next((name for name in found if found[name] == label), list(found)[-label])


def labelled(listing: Listing, choices: Choices) -> Listing:
    """Return a listing with labels of 0 and 1 and all columns of a patch table, without what is left out.

    Raises:
        ChoiceError: a person has to say which class is tumour.
        DataError: no patch is left.
    """
    table, problems = listing.table.reset_index(drop=True), list(listing.problems)
    if tuple(table.columns) == COLUMNS and not table["id"].duplicated().any():
        return Listing(table, _fitted(listing, choices), listing.problems)
    if "label" not in table:
        table, more = _with_labels(table, choices)
        problems += more
    table, repeats = _without_repeats(table)
    problems += repeats
    if not len(table):
        raise DataError(f"No patch of it can be used: {problems[0]}" if problems else "It holds no patch.")
    store = _fitted(listing, choices)
    if len(table) < len(store):
        store = RowStore(store, table.index.to_numpy())
    columns = {"labels": "label", "slides": "slide", "patients": "patient", "centres": "centre"}
    given: dict[str, Any] = {name: _as_list(table[column]) for name, column in columns.items() if column in table}
    split = table["split"].to_list() if "split" in table else "train"
    return Listing(make_table(table["id"].to_list(), split=split, **given), store, tuple(problems))


def _fitted(listing: Listing, choices: Choices) -> PatchStore:
    """Return the pictures of a listing, of which those of another size become patches as chosen, or by their scale."""
    mpp: float | np.ndarray | None = choices.mpp
    if mpp is None and "mpp" in listing.table:
        mpp = pd.to_numeric(listing.table["mpp"], errors="coerce").to_numpy(float)
    size = choices.size or ("" if mpp is None else "mpp")
    return refitted(listing.store, Fit(size, choices.enlarge), mpp) if size else listing.store


def counts_of(table: pd.DataFrame) -> dict[str, int]:
    """Return the number of patches by class, in the order of the names; a patch without one counts for nothing."""
    counts = table["class"].value_counts().sort_index()
    return {str(name): int(count) for name, count in counts.items()}


def _with_labels(table: pd.DataFrame, choices: Choices) -> tuple[pd.DataFrame, list[Problem]]:
    classes = table["class"] if "class" in table else pd.Series(pd.NA, index=table.index, dtype="str")
    counts = counts_of(table) if "class" in table else {}
    labels = labels_of(counts, choices)
    problems = [
        Problem(name, "excluded: it was chosen as neither tumour nor normal", f"of the class {name}", counts[name])
        for name, label in labels.items()
        if label is None
    ]
    for label, side in ((1, "tumour"), (0, "normal")):
        names = [name for name in labels if labels[name] == label]
        if len(names) > 1 and not (choices.tumour or choices.normal):
            problems.append(Problem(" and ".join(names), f"are all taken as {side}", patches=0))
    found = classes.map({name: label for name, label in labels.items() if label is not None})
    kept = table.assign(label=found.where(found != MISSING))[classes.isna() | found.notna()]
    return kept, problems


def _without_repeats(table: pd.DataFrame) -> tuple[pd.DataFrame, list[Problem]]:
    """Return one row for each id; those with two labels are left out."""
    groups = table[table["id"].duplicated(keep=False)].groupby("id")
    labels = groups["label"].nunique(dropna=False)
    problems = [
        Problem(str(patch_id), "excluded: it is named with different labels", "with two labels")
        if several
        else Problem(str(patch_id), f"is named {count} times; it is used once", patches=0)
        for (patch_id, count), several in zip(groups.size().items(), labels > 1, strict=True)
    ]
    return table[~(table["id"].isin(labels.index[labels > 1]) | table["id"].duplicated())], problems


def _as_list(values: pd.Series) -> list[Any]:
    """Return the values, with None for each that is missing."""
    found: list[Any] = values.astype(object).where(values.notna().to_numpy(bool), None).to_list()
    return found
