"""How classes, slides and colours are spread over the splits, and whether test metrics will be too good."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.data.dataset import GROUPS, SPLITS, Dataset, Group
from core.data.quality import load_check
from core.data.slides import slides_advice
from core.data.split_rule import SplitRule
from core.data.stain_clusters import FEATURES, some_colours
from core.progress import Progress, no_progress

MOST = 1000
"""Patches of each split whose colour is measured, where the colours are not stored already."""


_NAMES = {"train": "training", "valid": "validation", "test": "test"}


@dataclass(frozen=True)
class SplitSummary:
    """How a data set is spread over its splits.

    Attributes:
        table: a row for each split: patches, normal, tumour, tumour_share, slides (missing where unknown), patients and
            centres where they are known, and the mean brightness, haematoxylin and eosin of its patches.
        colours: a row for each patch that was measured: split, brightness, haematoxylin, eosin, and its cluster under a
            colour rule, else -1.
        divided: the groups that lie in more than one split, see :func:`divided_groups`.
        duplicates: pairs of (nearly) the same patch in different splits, or None where that was not checked.
        caution: one sentence on whether test metrics will be too good.
        optimistic: whether they will be.
    """

    table: pd.DataFrame
    colours: pd.DataFrame
    divided: dict[Group, list[str]]
    duplicates: int | None
    caution: str
    optimistic: bool


def summarise(
    dataset: Dataset, rule: SplitRule, splits: npt.NDArray[np.str_], *, progress: Progress = no_progress
) -> SplitSummary:
    """Summarise the splits of a data set, `splits` as :func:`core.data.assign` returns them."""
    colours = _colours(dataset, rule, splits, progress)
    label = dataset.table["label"].fillna(-1).to_numpy(np.int64)
    means = colours.groupby("split", observed=False)[list(FEATURES)].mean()
    rows = []
    for split in SPLITS:
        here = splits == split
        normal, tumour = (int((here & (label == number)).sum()) for number in (0, 1))
        rows.append(
            {
                "split": split,
                "patches": normal + tumour,
                "normal": normal,
                "tumour": tumour,
                "tumour_share": tumour / max(normal + tumour, 1),
                "slides": None,
                **{f"{group}s": dataset.table[group][here].nunique() for group in dataset.known_groups},
                **means.loc[split].to_dict(),
            }
        )
    divided = divided_groups(dataset, splits)
    duplicates, table = _duplicates(dataset, splits), pd.DataFrame(rows).set_index("split")
    caution, optimistic = _caution(dataset, rule, table, divided)
    return SplitSummary(table, colours, divided, duplicates, caution, optimistic)


def divided_groups(dataset: Dataset, splits: npt.NDArray[np.str_]) -> dict[Group, list[str]]:
    """Return the slides, patients and centres that lie in more than one split, where there are any.

    A slide or patient on both sides is a leak: its patches look alike. A centre on both sides is none, but nothing is
    measured on a new centre then.
    """
    found: dict[Group, list[str]] = {}
    for group in GROUPS:
        known = (splits != "") & dataset.table[group].notna().to_numpy()
        counts = pd.Series(splits[known]).groupby(dataset.table[group].to_numpy(object)[known]).nunique()
        if (counts > 1).any():
            found[group] = [str(name) for name in counts.index[counts > 1]]
    return found


def leak_words(dataset: Dataset, group: Group, names: list[str]) -> str:
    """Return in words which groups lie in more than one split, with an example."""
    which = names[0] if len(names) == 1 else f"such as {names[0]}"
    lie = "lies" if len(names) == 1 else "lie"
    return f"{len(names):,} of {dataset.table[group].nunique():,} {group}s {lie} in more than one split ({which})"


def _colours(dataset: Dataset, rule: SplitRule, splits: npt.NDArray[np.str_], progress: Progress) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    candidates = [np.flatnonzero(splits == split) for split in SPLITS]
    chosen = [np.sort(rng.choice(rows, min(MOST, len(rows)), replace=False)) for rows in candidates]
    rows, features = some_colours(dataset, np.concatenate(chosen), progress=progress)
    divided = splits[rows] != ""  # where colours are stored, they are those of all patches
    rows, features = rows[divided], features[divided]
    table = pd.DataFrame(features, columns=list(FEATURES))
    table.insert(0, "split", pd.Categorical(splits[rows], categories=SPLITS))
    table["cluster"] = -1 if rule.colours is None else rule.colours.nearest(features)
    return table


def _duplicates(dataset: Dataset, splits: npt.NDArray[np.str_]) -> int | None:
    check = load_check(dataset) if dataset.files else None
    if check is None:
        return None
    # The check covers excluded patches too; they are in no split.
    split = pd.Series(splits, index=dataset.table["id"]).reindex(check.ids, fill_value="").to_numpy()
    first, second = split[check.pairs[:, 0]], split[check.pairs[:, 1]]
    return int(((first != second) & (first != "") & (second != "")).sum())


def _caution(
    dataset: Dataset, rule: SplitRule, table: pd.DataFrame, divided: dict[Group, list[str]]
) -> tuple[str, bool]:
    unit = dataset.unit
    lacking = [
        f"{_NAMES[str(name)]} split has {int(row['normal']):,} normal and {int(row['tumour']):,} tumour patches"
        for name, row in table.iterrows()
        if not (row["normal"] and row["tumour"])
    ]
    if lacking and rule.kind == "official":
        return (
            f"The data set's own {', its '.join(lacking)}; training and measuring need both in each. Choose another "
            "way to split."
        ), True
    if lacking:
        few = f" of {dataset.table[rule.by].nunique():,} {rule.by}s" if rule.by != "patch" else ""
        return (
            f"The {', the '.join(lacking)}; training and measuring need both in each. This data set{few} is too small "
            "for this split: add patches, or choose another seed or way to split."
        ), True
    leaks = [leak_words(dataset, group, names) for group, names in divided.items() if group != "centre"]
    if leaks:
        group: Group = next(iter(divided)) if unit is None else unit
        official = "The splits that the data set came with leak: " if rule.kind == "official" else ""
        return (
            f"{official}{', and '.join(leaks)}. Patches of one {group} look alike, so test metrics will be too good "
            f"for new {group}s. Split by {group} to know what to expect there."
        ), True
    if unit is not None and table.loc["test", f"{unit}s"] == 1:
        return f"The test split holds one {unit} only: its metrics say little of other {unit}s.", True
    if unit is not None:
        return (
            f"Every {unit} lies in one split only: test metrics hold for new {unit}s.{_centres(dataset, rule)}",
            False,
        )
    if rule.kind == "official":
        return (
            "These are the splits the data set was published with; its files do not name the slides. "
            f"{slides_advice(dataset)}"
        ), False
    if rule.kind == "held":
        return "The test split holds one centre, which training never sees.", False
    if rule.kind == "colour":
        return (
            "The slides are not known. The test split has colours that training never sees, which is a hard test; a "
            "slide of several colours can still lie on both sides."
        ), False
    return (
        f"The slides of {dataset.name} are not known, so patches of one slide fall on both sides, and test metrics "
        f"will be too good for new slides. {slides_advice(dataset)} Then split by slide; or hold out colours."
    ), True


def _centres(dataset: Dataset, rule: SplitRule) -> str:
    if "centre" not in dataset.known_groups:
        return ""
    if rule.held is not None and rule.held[0] == "centre":
        return f" All of centre {rule.held[1]} is tested, and training never sees it."
    return " Nothing is measured on a new centre: leave one centre out for that."
