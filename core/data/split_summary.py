"""How classes, slides and colours fall into the parts of a split, and whether its figures will be honest."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.data.dataset import Dataset
from core.data.quality import load_check
from core.data.splits import PARTS, SplitRule
from core.data.stain_clusters import FEATURES, some_colours
from core.progress import Progress, no_progress

MOST = 1000
"""So many patches of each part are looked at for their colour, where colours are not known already."""


@dataclass(frozen=True)
class SplitSummary:
    """What a division looks like.

    Attributes:
        table: a row for each part: patches, normal, tumour, tumour_share, slides (missing where unknown), and the mean
            brightness, haematoxylin and eosin of its patches.
        colours: a row for each patch that was looked at: part, brightness, haematoxylin, eosin, and cluster of a colour
            split, else -1.
        slides: slides of labelled patches, or None where they are not known for all.
        divided: slides that lie in more than one part.
        doubles: pairs of the same or nearly the same patch in different parts, or None where that was not checked.
        caution: whether figures on the test part will be too good, in a sentence.
        optimistic: whether the sentence says so.
    """

    table: pd.DataFrame
    colours: pd.DataFrame
    slides: int | None
    divided: int
    doubles: int | None
    caution: str
    optimistic: bool


def summarise(
    dataset: Dataset, rule: SplitRule, parts: npt.NDArray[np.str_], *, progress: Progress = no_progress
) -> SplitSummary:
    """Look at a division that :func:`core.data.assign` gave.

    Args:
        dataset: what was divided.
        rule: how.
        parts: of each row.
        progress: told the finished share while colours are measured.
    """
    colours = _colours(dataset, rule, parts, progress)
    label = dataset.table["label"].fillna(-1).to_numpy(np.int64)
    means = colours.groupby("part", observed=False)[list(FEATURES)].mean()
    rows = []
    for part in PARTS:
        here = parts == part
        normal, tumour = (int((here & (label == number)).sum()) for number in (0, 1))
        rows.append(
            {
                "part": part,
                "patches": normal + tumour,
                "normal": normal,
                "tumour": tumour,
                "tumour_share": tumour / max(normal + tumour, 1),
                "slides": dataset.table["slide"][here].nunique() if dataset.knows_slides else None,
                **means.loc[part].to_dict(),
            }
        )
    slides, divided = _slides(dataset, parts)
    caution, optimistic = _caution(dataset, rule, slides, divided)
    doubles = _doubles(dataset, parts)
    return SplitSummary(pd.DataFrame(rows).set_index("part"), colours, slides, divided, doubles, caution, optimistic)


def _colours(dataset: Dataset, rule: SplitRule, parts: npt.NDArray[np.str_], progress: Progress) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    of_part = [np.flatnonzero(parts == part) for part in PARTS]
    chosen = [np.sort(rng.choice(rows, min(MOST, len(rows)), replace=False)) for rows in of_part]
    rows, features = some_colours(dataset, np.concatenate(chosen), progress=progress)
    table = pd.DataFrame(features, columns=list(FEATURES))
    table.insert(0, "part", pd.Categorical(parts[rows], categories=PARTS))
    table["cluster"] = -1 if rule.colours is None else rule.colours.nearest(features)
    return table[table["part"].notna()].reset_index(drop=True)


def _slides(dataset: Dataset, parts: npt.NDArray[np.str_]) -> tuple[int | None, int]:
    if not dataset.knows_slides:
        return None, 0
    labelled = parts != ""
    found = pd.Series(parts[labelled]).groupby(dataset.table["slide"].to_numpy(object)[labelled]).nunique()
    return len(found), int((found > 1).sum())


def _doubles(dataset: Dataset, parts: npt.NDArray[np.str_]) -> int | None:
    check = load_check(dataset) if dataset.files else None
    if check is None:
        return None
    part_of = dict(zip(dataset.table["id"], parts, strict=True))
    part = np.array([part_of.get(patch_id, "") for patch_id in check.ids])
    first, second = part[check.pairs[:, 0]], part[check.pairs[:, 1]]
    return int(((first != second) & (first != "") & (second != "")).sum())


def _caution(dataset: Dataset, rule: SplitRule, slides: int | None, divided: int) -> tuple[str, bool]:
    if divided:
        return (
            f"{divided:,} of {slides:,} slides lie in more than one part. Patches of one slide look alike, so figures "
            "on the test part will be too good for new slides. Split by slide to know what to expect there."
        ), True
    if slides is not None:
        return "Every slide lies in one part only: figures on the test part hold for new slides.", False
    if rule.kind == "official":
        return "This is the division the data set was published with; its slides are not named in the files.", False
    if rule.kind == "colour":
        return (
            "The slides are not known. The test part has colours that training never sees, which is a hard test; a "
            "slide of several colours can still lie on both sides."
        ), False
    return (
        f"The slides of {dataset.name} are not known, so patches of one slide fall on both sides, and figures on the "
        "test part will be too good for new slides. Put patch_id_wsi_full.csv (columns id, wsi) beside the labels and "
        "split by slide, or hold out colours."
    ), True
