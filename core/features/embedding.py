"""A map of a data set: its patches as points, near each other where the features of a bundle are alike.

Made once and kept as ``map-<bundle digest>.npz`` in the data set's folder (:func:`core.data.pack_folder`). Features do
not depend on labels, so decisions about patches leave the map as it is.
"""

from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.decomposition import PCA

from core.bundle.bundle import Bundle
from core.data import Dataset, pack_folder
from core.data.dataset import GROUPS
from core.data.store import why_unreadable
from core.errors import ConfigError, DataError
from core.prediction.features import read_late_features
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress
from core.storage.npz import checked, save_arrays, stored_arrays
from core.storage.record import typed
from core.storage.spreadsheet import table_csv

VERSION = 1
MOST = 10_000
"""Most points of a map; of a larger data set this number of patches is drawn."""

KEPT = 50
"""Principal components that are kept; UMAP starts from them."""

NO_UMAP = "UMAP needs the package umap-learn (210 MB with all that it needs). Run: pip install umap-learn"

NEIGHBOURS = 15
"""UMAP's n_neighbors, as its documentation proposes."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Points that stand for patches.

    Attributes:
        ids: of the patches (n,).
        components: float32 (n, k), the first principal components of the features; k is at most :data:`KEPT`.
        explained: float64 (k,), share of the features' variance along each.
        umap: float32 (n, 2), or None where it was not computed.
        patches: number of patches of the data set; where the points are fewer, they are a draw of them.
        description: whose features they are.
    """

    ids: tuple[str, ...]
    components: npt.NDArray[np.float32]
    explained: npt.NDArray[np.float64]
    umap: npt.NDArray[np.float32] | None
    patches: int
    description: str


def draw(dataset: Dataset, most: int = MOST, *, seed: int = 0) -> npt.NDArray[np.int64]:
    """Return at most `most` row numbers in order, so that each label in each split keeps its share of the patches."""
    if len(dataset) <= most:
        return np.arange(len(dataset))
    strata = dataset.table["label"].astype("string").fillna("none") + " " + dataset.table["split"].astype("string")
    codes, names = strata.factorize()
    sizes = np.bincount(codes, minlength=len(names))
    exact = sizes * (most / len(dataset))
    wanted = np.floor(exact).astype(int)
    # Largest remainders: the points that rounding down left over go to the strata that lost most by it.
    wanted[np.argsort(wanted - exact, kind="stable")[: most - wanted.sum()]] += 1
    random = np.random.default_rng(seed)
    drawn = [random.permutation(np.flatnonzero(codes == each))[:count] for each, count in enumerate(wanted)]
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def embed(predictor: Predictor, dataset: Dataset, *, progress: Progress = no_progress) -> Embedding:
    """Return the principal components of the features of patches: the input of the last layer, scaled to length 1.

    Raises:
        DataError: there are fewer than three readable patches.
    """
    drawn = draw(dataset)
    if len(drawn) < 3:
        raise DataError(f"{dataset.name} has {len(drawn)} patches; a map needs three at least.")
    rows, features = read_late_features(predictor, dataset, drawn, progress=progress)
    if len(rows) < 3:
        why = why_unreadable(dataset.store, drawn)
        raise DataError(f"{len(rows)} patches of {dataset.name} can be read; a map needs three at least. {why}")
    count = min(KEPT, len(rows), features.shape[1])
    analysis = PCA(count, svd_solver="randomized", random_state=0)
    components = analysis.fit_transform(features).astype(np.float32)
    ids = tuple(dataset.table["id"].iloc[rows])
    description = f"features of {predictor.bundle.card.name}"
    return Embedding(ids, components, analysis.explained_variance_ratio_, None, len(dataset), description)


def has_umap() -> bool:
    """Whether the optional package for UMAP is installed."""
    return find_spec("umap") is not None


def with_umap(embedding: Embedding, *, seed: int = 0) -> Embedding:
    """Return the embedding with UMAP's two dimensions.

    Source: McInnes, Healy & Melville, "UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction",
    2018. It keeps neighbours together; distances between clusters, and their sizes, mean little.

    Raises:
        ConfigError: the package is not installed.
    """
    try:
        package: Any = import_module("umap")
    except ImportError as error:
        raise ConfigError(NO_UMAP) from error
    near = min(NEIGHBOURS, len(embedding.ids) - 1)
    # One job: with a seed UMAP computes in one thread, and warns about any other number.
    reducer = package.UMAP(n_components=2, n_neighbors=near, random_state=seed, n_jobs=1)
    return replace(embedding, umap=np.asarray(reducer.fit_transform(embedding.components), np.float32))


def embedding_path(source: str, bundle: Bundle) -> Path:
    """Return where the map of a data set by a bundle is or will be."""
    return pack_folder(source) / f"map-{bundle.digest}.npz"


def save_embedding(embedding: Embedding, dataset: Dataset, bundle: Bundle) -> None:
    """Store a map beside the check of its data set. Raises :class:`StorageError`."""
    about = {
        "version": VERSION,
        "files": dataset.files,
        "patches": embedding.patches,
        "words": embedding.description,
        "ids": embedding.ids,
    }
    arrays: dict[str, Any] = {"components": embedding.components, "explained": embedding.explained}
    if embedding.umap is not None:
        arrays["umap"] = embedding.umap
    save_arrays(embedding_path(dataset.source, bundle), about, **arrays)


def load_embedding(dataset: Dataset, bundle: Bundle) -> Embedding | None:
    """Return the stored map, or None if there is none of the files as they are now.

    Raises:
        DataError: it is damaged.
    """
    path, current = embedding_path(dataset.source, bundle), {"version": VERSION, "files": dataset.files}
    with stored_arrays(path, remedy="Delete it and make the map again.", only=current) as stored:
        if stored is None:
            return None
        about, file = stored
        ids, umap = typed(tuple[str, ...], about["ids"], "ids"), file.get("umap")
        components = checked(file["components"], "f", len(ids), None)
        return Embedding(
            ids,
            components,
            checked(file["explained"], "f", components.shape[1]),
            None if umap is None else checked(umap, "f", len(ids), 2),
            typed(int, about["patches"], "patches"),
            str(about["words"]),
        )


def points_csv(embedding: Embedding, dataset: Dataset) -> str:
    """Return one line for each point: id, label, split, slide, pc1, pc2, and umap1, umap2 where they are known."""
    table = dataset.listed.set_index("id").loc[list(embedding.ids)].reset_index().astype({"split": str})
    columns = {"pc1": embedding.components[:, 0], "pc2": embedding.components[:, 1]}
    if embedding.umap is not None:
        columns |= {"umap1": embedding.umap[:, 0], "umap2": embedding.umap[:, 1]}
    points = pd.DataFrame(columns).astype("float64").round(5)
    return table_csv(pd.concat([table, points], axis=1), names=[name for name in table if name in ("id", *GROUPS)])


def stored_or_made(
    predictor: Predictor, dataset: Dataset, *, umap: bool = False, fresh: bool = False, progress: Progress = no_progress
) -> Embedding:
    """Return the stored map, or make and store it; with UMAP if `umap`; made anew if `fresh`.

    Raises:
        ConfigError: `umap` is True and the package is not installed.
        DataError: there are too few patches, or the stored map is damaged.
        StorageError: it cannot be stored.
    """
    found = None if fresh else load_embedding(dataset, predictor.bundle)
    if found is None:
        found = embed(predictor, dataset, progress=progress)
        save_embedding(found, dataset, predictor.bundle)
    if umap and found.umap is None:
        found = with_umap(found)
        save_embedding(found, dataset, predictor.bundle)
    return found
