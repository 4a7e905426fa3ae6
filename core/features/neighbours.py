"""The labelled patches whose features are most similar to those of a patch.

What is searched is read once and kept as ``neighbours-<bundle digest>.npz`` in the data set's folder
(:func:`core.data.pack_folder`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.bundle.bundle import Bundle
from core.data import Dataset, pack_folder
from core.errors import DataError
from core.prediction.features import late_features, layers_of, read_late_features
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress
from core.scoring.dataset import select
from core.storage.npz import checked, save_arrays, stored_arrays

MOST = {"cpu": 2_000, "cuda": 40_000, "mps": 10_000}
"""Most patches that are searched; of a larger data set this number is drawn. A CPU reads some 200 a second."""


VERSION = 1


@dataclass(frozen=True)
class Neighbour:
    """A labelled patch that is similar to another one.

    Attributes:
        row: its row in the data set.
        similarity: cosine similarity of the features, 1 is the same.
    """

    row: int
    similarity: float


@dataclass(frozen=True, eq=False)
class Index:
    """Features of labelled patches, to be searched.

    Attributes:
        layer: whose late features they are.
        rows: int64 (N,) in the data set.
        features: float32 (N, C), each of length 1.
        description: what was searched.
    """

    layer: str
    rows: npt.NDArray[np.int64]
    features: npt.NDArray[np.float32]
    description: str

    def nearest(self, features: npt.NDArray[np.float32], *, count: int = 5, exclude: int = -1) -> list[Neighbour]:
        """Return the most similar patches, the most similar first; of equal ones the lower row.

        Args:
            features: float32 (C,) of length 1.
            count: how many.
            exclude: a row that must not be among them, such as the patch itself.
        """
        similarity = self.features @ features
        order = np.lexsort((self.rows, -similarity))
        # One more than wanted, because the excluded row is likely the most similar one.
        chosen = [at for at in order[: count + 1] if self.rows[at] != exclude][:count]
        return [Neighbour(int(self.rows[at]), float(similarity[at])) for at in chosen]


def build_index(predictor: Predictor, dataset: Dataset, *, progress: Progress = no_progress) -> Index:
    """Return the index over the training patches of a data set; over all labelled ones where there are none.

    Raises:
        DataError: no patch has a label.
    """
    rows, description = select(predictor.bundle, dataset, "train")
    if not len(rows):
        rows, description = select(predictor.bundle, dataset, "all")
    if not len(rows):
        raise DataError(f"No patch of {dataset.name} has a label, so there are none to compare with.")
    limit = MOST[predictor.device.type]
    if len(rows) > limit:
        description = f"{limit:,} of the {len(rows):,} patches of the {description}"
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:limit])
    layer = layers_of(predictor.module).late
    kept, features = read_late_features(predictor, dataset, rows, layer=layer, progress=progress)
    return Index(layer, kept, features, description)


def index_path(dataset: Dataset, bundle: Bundle) -> Path:
    """Return where the index of a data set by a bundle is or will be."""
    return pack_folder(dataset.source) / f"neighbours-{bundle.digest}.npz"


def save_index(index: Index, dataset: Dataset, bundle: Bundle) -> None:
    """Store an index. Raises :class:`StorageError`."""
    ids = dataset.table["id"].iloc[index.rows].tolist()
    about = {**_about(dataset), "layer": index.layer, "description": index.description, "ids": ids}
    save_arrays(index_path(dataset, bundle), about, features=index.features)


def load_index(dataset: Dataset, bundle: Bundle) -> Index | None:
    """Return the stored index, or None if there is none of the files as they are now.

    Features do not depend on labels, so what is decided about patches leaves it as it is, but for excluded ones.

    Raises:
        DataError: it is damaged.
    """
    path, only = index_path(dataset, bundle), _about(dataset)
    with stored_arrays(path, remedy="Delete it and find similar patches again.", only=only) as stored:
        if stored is None:
            return None
        about, file = stored
        rows = pd.Index(dataset.table["id"]).get_indexer(about["ids"])
        features = checked(file["features"], "f", len(rows), None)
        there = rows >= 0
        return Index(str(about["layer"]), rows[there].astype(np.int64), features[there], str(about["description"]))


def _about(dataset: Dataset) -> dict[str, str | int]:
    return {"version": VERSION, "files": dataset.files}


def most_like(
    predictor: Predictor, index: Index, patch: npt.NDArray[np.uint8], *, count: int = 5, exclude: int = -1
) -> list[Neighbour]:
    """Return the labelled patches most similar to `patch`, uint8 96×96×3; see :meth:`Index.nearest`."""
    features = late_features(predictor, patch[None], layer=index.layer)[0]
    return index.nearest(features, count=count, exclude=exclude)
