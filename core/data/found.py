"""What was recognised at a path, in words: for the page that opens it and for ``python -m core check``."""

import io
from collections import Counter

import numpy as np
from PIL import Image

from core.data.dataset import SPLITS, Dataset
from core.data.layouts import place_of
from core.data.picture_store import EncodedStore, PixelStore
from core.data.store import JoinedStore, PatchStore, RowStore
from core.errors import PatchError
from core.images.formats import DAMAGE

LOOKED_AT = 24
"""Pictures whose size is looked at."""


def describe(dataset: Dataset) -> str:
    """Return layout, patches, classes, splits, groups and choices of a data set.

    Example:
        >>> describe(dataset)
        'class folders: 11,400 patches, 5,884 normal, 5,516 tumour; train 8,500, valid 2,900; slides unknown'
    """
    table, (normal, tumour) = dataset.table, dataset.class_counts()
    unlabelled = len(dataset) - normal - tumour
    without = f", {unlabelled:,} without a label" if unlabelled else ""
    splits = table["split"].astype(str).value_counts().reindex(SPLITS).dropna().astype(int)
    groups = [
        f"{table[name].nunique():,} {name}s" for name in ("slide", "patient", "centre") if table[name].notna().any()
    ]
    parts = [
        f"{len(dataset):,} patches, {normal:,} normal, {tumour:,} tumour{without}",
        ", ".join(f"{name} {count:,}" for name, count in splits.items()),
        ", ".join(groups) or "slides unknown",
        *filter(None, [dataset.choices.words()]),
    ]
    return f"{dataset.kind}: {'; '.join(parts)}"


def sizes_of(dataset: Dataset) -> dict[tuple[int, int], int]:
    """Return the (width, height) of some pictures, spread over the data set, with how many have it."""
    rows = np.unique(np.linspace(0, len(dataset) - 1, min(LOOKED_AT, len(dataset))).astype(np.int64))
    return dict(Counter(size for row in rows if (size := _size(dataset.store, int(row)))))


def classes_at(source: str) -> dict[str, int]:
    """Return the classes of a data set as it names them, with their patches; none where its labels are 0 and 1.

    Raises:
        DataError: it cannot be read.
    """
    place = place_of(source)
    table = place.reader.read(place.given).table
    if "class" not in table:
        return {}
    return {str(name): int(count) for name, count in table["class"].value_counts().sort_index().items()}


def _size(store: PatchStore, row: int) -> tuple[int, int] | None:
    """Return the (width, height) of a picture, None where it cannot be read."""
    if isinstance(store, RowStore):
        return _size(store.store, int(store.rows[row]))
    if isinstance(store, JoinedStore):
        inner, _, rows = next(iter(store.split(np.array([row]))))
        return _size(inner, int(rows[0]))
    if isinstance(store, PixelStore):
        height, width = [each for each in store.pictures.shape[1:] if each > 4][:2]
        return width, height
    if not isinstance(store, EncodedStore):
        return None
    _, read = next(iter(store.contents([row])))
    try:
        with Image.open(io.BytesIO(read())) as image:
            return image.size
    except (*DAMAGE, PatchError, Image.DecompressionBombError):
        return None
