"""What was recognised at a path, in words: for the page that opens it and for ``python -m core check``."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from core.data.classes import counts_of
from core.data.dataset import GROUPS, SPLITS, Dataset
from core.data.layouts import place_of
from core.data.picture_store import EncodedStore, PixelStore
from core.data.store import JoinedStore, PatchStore, RowStore
from core.errors import PatchError
from core.images.formats import DAMAGE

LOOKED_AT = 24
"""Pictures whose size is looked at."""

SAID = 3
"""Reasons that are said in full."""


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
    groups = [f"{count:,} {name}{'s' if count > 1 else ''}" for name in GROUPS if (count := table[name].nunique())]
    parts = [
        f"{len(dataset):,} patches, {normal:,} normal, {tumour:,} tumour{without}",
        ", ".join(f"{name} {count:,}" for name, count in splits.items()),
        ", ".join(groups) or "slides unknown",
        *filter(None, [dataset.choices.words()]),
    ]
    return f"{dataset.kind}: {'; '.join(parts)}"


def sizes_of(dataset: Dataset) -> dict[tuple[int, int], int]:
    """Return the (width, height) of some pictures, spread over the data set, with how many have it."""
    return dict(Counter(size for row in _some_rows(dataset) if (size := _size(dataset.store, int(row)))))


def remarks(dataset: Dataset) -> list[str]:
    """Return sentences on a data set before it is used, beside what is left out: what is odd or cannot be read."""
    odd = [str(problem).removesuffix(".") for problem in dataset.problems if problem.patches == 0]
    odd = [each for each in odd if not each.startswith("labels: ")]
    more = [f"{len(odd) - SAID:,} more of this kind"] if len(odd) > SAID else []
    said = "; ".join((*odd[:SAID], *more))
    return [each for each in (said and f"{said}.", _unusable(dataset) if len(dataset) else "") if each]


def _unusable(dataset: Dataset) -> str:
    """Return in a sentence which of some pictures, spread over the data set, cannot be used; "" where all can."""
    rows = _some_rows(dataset)
    found: dict[str, list[str]] = {}
    for text in dataset.store.load(rows).unreadable.values():
        name, _, reason = text.removesuffix(".").partition(": ")
        found.setdefault(reason, []).append(name)
    if not found:
        return ""
    count = sum(map(len, found.values()))
    reasons = [f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {why}" for why, names in found.items()]
    more = "; and other reasons" if len(reasons) > SAID else ""
    return f"{count} of the {len(rows)} pictures looked at cannot be used. {'; '.join(reasons[:SAID])}{more}."


def part_of(path: str, source: str) -> str:
    """Return in a sentence that a path is only a part of the data set that it opens, or lies above it; "" if neither.

    Example:
        >>> part_of("/data/set/valid", "/data/set")
        'valid is a part of /data/set, which is opened as a whole. To use only that part, filter it in Browse ...'
    """
    given, own = Path(path).expanduser().resolve(), Path(source)
    if own in given.parents and given.is_dir():
        return (
            f"{given.name} is a part of {own}, which is opened as a whole. To use only that part, filter it in Browse "
            "(in commands: --subset), or copy it to a folder elsewhere."
        )
    return f"{own} is opened." if given in own.parents else ""


def classes_at(source: str) -> dict[str, int]:
    """Return the classes of a data set as it names them, with their patches; none where its labels are 0 and 1.

    Raises:
        DataError: it cannot be read.
    """
    place = place_of(source)
    table = place.reader.read(place.given).table
    return counts_of(table) if "class" in table else {}


def _some_rows(dataset: Dataset) -> np.ndarray:
    return np.unique(np.linspace(0, len(dataset) - 1, min(LOOKED_AT, len(dataset))).astype(np.int64))


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
