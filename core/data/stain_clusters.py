"""Stain clusters: patches whose colours suggest that they come from the same laboratory.

Where slides are not known, how dark and how strongly stained a patch is stands in for where it comes from. Clusters
are found once by k-means; their few centres are stored, so that any patch finds its cluster again anywhere.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.data.dataset import Dataset
from core.data.measures import measure
from core.data.pack_blocks import pack_folder
from core.data.quality import load_check
from core.data.store import batches
from core.errors import ConfigError, DataError
from core.progress import Progress, no_progress
from core.storage.npz import save_arrays, stored_arrays
from core.storage.record import Record

FEATURES = ("brightness", "haematoxylin", "eosin")
"""The measures that make up a colour, see :class:`core.data.measures.Measures`."""

CLUSTERS = 12
SAMPLE = 20_000
"""Patches that k-means is fitted to; more of them do not move the centres."""

Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class StainClusters(Record):
    """Stain clusters, and which of them are held out for the test split.

    Attributes:
        centres: K×3, in units of the scale from the shift, see :data:`FEATURES`.
        shift: what is subtracted from the features.
        scale: what divides them afterwards.
        held: numbers of the clusters that are held out.
        share: of the patches that the clusters were found in, how many are held out, in (0, 1).

    Raises:
        ConfigError: the values do not go together.
    """

    centres: tuple[tuple[float, ...], ...]
    shift: tuple[float, ...]
    scale: tuple[float, ...]
    held: tuple[int, ...]
    share: float

    def __post_init__(self) -> None:
        sizes = {len(FEATURES)} == {len(self.shift), len(self.scale), *map(len, self.centres)}
        if not sizes or min(self.scale) <= 0 or not 0 < self.share < 1:
            raise ConfigError("The colour clusters of a split are damaged: expected K×3 centres, a shift and a scale.")
        if not self.held or not set(self.held) < set(range(len(self.centres))):
            raise ConfigError(f"Some of {len(self.centres)} colour clusters must be held out, got {list(self.held)}.")

    def nearest(self, features: Features) -> npt.NDArray[np.int64]:
        """Return the number of the nearest centre for features, float32 N×3."""
        scaled = (features.astype(np.float64) - self.shift) / self.scale
        apart = [((scaled - np.array(centre)) ** 2).sum(axis=1) for centre in self.centres]
        return np.asarray(np.argmin(apart, axis=0), np.int64)

    def is_held(self, features: Features) -> npt.NDArray[np.bool_]:
        """Return whether each patch, by its features, lies in a cluster that is held out."""
        return np.isin(self.nearest(features), self.held)


def find_stain_clusters(
    features: Features, labels: npt.NDArray[np.int64], *, seed: int, test: float, folds: int = 0, fold: int = 0
) -> StainClusters:
    """Find clusters and hold out some of them.

    Args:
        features: float32 N×3.
        labels: 0 or 1 (N,): clusters are chosen so that the test split has its share of both classes, as far as they
            allow, because pale patches are seldom tumour.
        seed: of k-means and of the choice.
        test: share to hold out; whole clusters come as near to it as they can.
        folds: instead, divide the clusters into this number of groups, as equal in size as possible.
        fold: number of the group that is held out.

    Raises:
        DataError: the patches have too few different colours.
    """
    count = max(CLUSTERS, 2 * folds)
    if len(np.unique(features, axis=0)) < count:
        raise DataError(
            f"A split by colour needs patches of at least {count} different colours, got "
            f"{len(np.unique(features, axis=0))}. Use more patches, or another kind of split."
        )
    shift, scale = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    scale = np.where(scale > 0, scale, 1.0)
    centres = _centres((features - shift) / scale, count, seed)
    whole = StainClusters(centres, tuple(shift.tolist()), tuple(scale.tolist()), (0,), 0.5)
    cluster = whole.nearest(features)
    sizes = np.stack([np.bincount(cluster[labels == label], minlength=count) for label in (0, 1)], axis=1)
    shares = sizes / np.maximum(sizes.sum(axis=0), 1)
    held = _groups(shares, folds)[fold] if folds else _near(shares, test, seed)
    return StainClusters(centres, whole.shift, whole.scale, held, float(sizes[list(held)].sum() / sizes.sum()))


def _centres(scaled: npt.NDArray[np.float64], count: int, seed: int) -> tuple[tuple[float, ...], ...]:
    from sklearn.cluster import KMeans  # takes a second to import, and few splits need it

    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(scaled), min(SAMPLE, len(scaled)), replace=False)
    found = KMeans(count, n_init=4, random_state=seed).fit(scaled[np.sort(chosen)]).cluster_centers_
    return tuple(tuple(round(float(value), 6) for value in centre) for centre in found)


def _groups(shares: npt.NDArray[np.float64], folds: int) -> list[tuple[int, ...]]:
    """Divide clusters into groups by their shares of both classes, K×2: the largest first, each where there is room."""
    groups: list[list[int]] = [[] for _ in range(folds)]
    for cluster in np.argsort(-shares.sum(axis=1), kind="stable"):
        room = [float((shares[group].sum(axis=0) * shares[cluster]).sum()) for group in groups]
        groups[int(np.argmin(room))].append(int(cluster))
    return [tuple(sorted(group)) for group in groups]


def _near(shares: npt.NDArray[np.float64], test: float, seed: int) -> tuple[int, ...]:
    """Take clusters in an order drawn by the seed, each if it brings the shares of both classes nearer to `test`."""
    held = list[int]()
    for cluster in np.random.default_rng(seed).permutation(len(shares)):
        if _miss(shares, [*held, int(cluster)], test) < _miss(shares, held, test):
            held.append(int(cluster))
    best = min(range(len(shares)), key=lambda cluster: _miss(shares, [cluster], test))
    return tuple(sorted(held or [best]))


def _miss(shares: npt.NDArray[np.float64], held: list[int], test: float) -> float:
    return float(((shares[held].sum(axis=0) - test) ** 2).sum())


def colour_features(dataset: Dataset, *, progress: Progress = no_progress) -> Features:
    """Return the features of all patches, float32 N×3, measured once for the files as they are and then stored.

    An unreadable patch has the features of white.
    """
    stored = _stored(dataset)
    if stored is not None:
        return stored
    found = _measured(dataset, np.arange(len(dataset)), progress)
    if dataset.files:
        save_arrays(_path(dataset), _about(dataset), values=found)
    return found


def knows_colours(dataset: Dataset) -> bool:
    """Return whether the colours of all patches are stored, so that nothing has to be measured."""
    return _stored(dataset) is not None


def some_colours(
    dataset: Dataset, rows: npt.NDArray[np.int64], *, progress: Progress = no_progress
) -> tuple[npt.NDArray[np.int64], Features]:
    """Return rows and their features: of all patches where they are stored, else of `rows`, measured now."""
    stored = _stored(dataset)
    if stored is not None:
        return np.arange(len(dataset)), stored
    return rows, _measured(dataset, rows, progress)


def _measured(dataset: Dataset, rows: npt.NDArray[np.int64], progress: Progress) -> Features:
    found = [np.empty((0, len(FEATURES)), np.float32)]
    for _, loaded in batches(dataset.store, rows, progress=progress):
        measures = measure(loaded.pixels)
        found.append(np.stack([getattr(measures, name) for name in FEATURES], axis=1))
    return np.concatenate(found)


def _stored(dataset: Dataset) -> Features | None:
    if not dataset.files:  # pixels in memory, of which nothing is kept
        return None
    check = load_check(dataset)
    if check is not None:
        rows = pd.Index(check.ids).get_indexer(dataset.table["id"])
        return np.stack([getattr(check.measures, name)[rows] for name in FEATURES], axis=1)
    with stored_arrays(_path(dataset), remedy="Delete it; it is measured again.", only=_about(dataset)) as stored:
        return None if stored is None else np.asarray(stored[1]["values"], np.float32)


def _path(dataset: Dataset) -> Path:
    return pack_folder(dataset.source) / "colours.npz"


def _about(dataset: Dataset) -> dict[str, str]:
    ids = hashlib.sha256("\n".join(dataset.table["id"]).encode()).hexdigest()[:16]
    return {"files": dataset.files, "ids": ids}
