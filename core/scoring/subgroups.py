"""Ways to split a scored set into subgroups: by slide, patient, centre, appearance, share of tumour."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from core.data import Dataset
from core.data.dataset import GROUPS
from core.data.store import CENTRE
from core.errors import EvaluationError
from core.evaluation import Subgroup, quantile_bins, subgroups
from core.prediction.appearance import Appearance, stain_clusters
from core.scoring.dataset import Scored


@dataclass(frozen=True)
class Kind:
    """A way to split patches into subgroups.

    Attributes:
        label: what a person reads.
        help: how the groups are made, in a sentence.
    """

    label: str
    help: str


KINDS: dict[str, Kind] = {
    **{group: Kind(group.capitalize(), f"One group for each {group}.") for group in GROUPS},
    "stain": Kind(
        "Staining",
        "Groups of similar staining (stain clusters), from weak to strong: k-means on the mean optical density.",
    ),
    "brightness": Kind("Brightness", "Groups of equal size by mean luminance (0 black, 255 white)."),
    "sharpness": Kind("Sharpness", "Groups of equal size by the variance of the Laplacian; low is blurred or empty."),
    "tumour": Kind(
        "Tumour in the centre",
        "How much of the centre is tumour; known for the synthetic demo only. A group of one class has no AUC.",
    ),
}

_SHARES = ("none", "up to half", "half to nine tenths", "nine tenths and more")


def possible_kinds(dataset: Dataset, scored: Scored) -> list[str]:
    """Return the kinds for which the data set and its predictions have what is needed."""
    needs: dict[str, bool] = {
        **{group: group in dataset.known_groups for group in GROUPS},
        "tumour": dataset.masks is not None,
    }
    return [kind for kind in KINDS if needs.get(kind, scored.appearance is not None)]


def groups_by(kind: str, dataset: Dataset, scored: Scored) -> np.ndarray:
    """Return the group of each patch, (n,).

    Raises:
        EvaluationError: what this kind needs is missing.
    """
    appearance = scored.appearance
    if kind in dataset.known_groups:
        groups: np.ndarray = dataset.table[kind].to_numpy(object)[scored.rows]
        return groups
    if kind == "tumour" and dataset.masks is not None:
        shares = np.array([float(dataset.masks[row][CENTRE, CENTRE].mean()) for row in scored.rows])
        return (shares > 0).astype(np.int64) + (shares > 0.5) + (shares >= 0.9)
    ways: dict[str, Callable[[Appearance], np.ndarray]] = {
        "stain": stain_clusters,
        "brightness": lambda each: quantile_bins(each.brightness),
        "sharpness": lambda each: quantile_bins(each.laplacian_variance),
    }
    if appearance is None or kind not in ways:
        raise EvaluationError(
            f"{dataset.name} cannot be split into subgroups by {kind!r}; choose from "
            f"{', '.join(possible_kinds(dataset, scored)) or 'nothing'}."
        )
    return ways[kind](appearance)


def group_name(kind: str, value: Hashable) -> str:
    """Return the name of a subgroup."""
    if value is None:
        return "not known"
    if isinstance(value, tuple):
        low, high = value
        return f"{low:.0f} to {high:.0f}"
    if kind == "tumour":
        return _SHARES[int(str(value))]
    return f"staining {int(str(value)) + 1}" if kind == "stain" else str(value)


def subgroups_by(kind: str, dataset: Dataset, scored: Scored, threshold: float) -> list[tuple[str, Subgroup]]:
    """Return the subgroups of one kind with their names and metrics, in order.

    Raises:
        EvaluationError: what this kind needs is missing.
    """
    groups = groups_by(kind, dataset, scored)
    found = subgroups(scored.labels, scored.probabilities, groups, threshold=threshold)
    return [(group_name(kind, each.value), each) for each in found]
