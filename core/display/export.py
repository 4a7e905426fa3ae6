"""Exports of selected patches: a table, or a zip with the table and a PNG of each patch."""

import io
import zipfile
from collections.abc import Sequence

import numpy as np

from core.data import CLASS_NAMES, Dataset
from core.data.dataset import GROUPS
from core.data.store import batches
from core.data.tags import tags_of
from core.display.pictures import to_png
from core.formatting import NOT_A_DEVICE
from core.storage.portable import file_name
from core.storage.spreadsheet import table_csv

NOTE = f"Patches exported from Nodescope. {NOT_A_DEVICE}\n"


def patches_csv(dataset: Dataset, rows: Sequence[int] | np.ndarray) -> str:
    """Return id, label, class, split, groups and, where there are any, tags of `rows` as CSV.

    Text that a spreadsheet would take for a formula is led by an apostrophe.
    """
    table = dataset.listed.iloc[np.asarray(rows, dtype=np.int64)].copy()
    table.insert(2, "class", table["label"].map(dict(enumerate(CLASS_NAMES))))
    tags = tags_of(dataset.source)
    if tags:
        having = {tag: set(ids) for tag, ids in tags.items()}
        table["tags"] = [" | ".join(tag for tag, ids in having.items() if name in ids) for name in table["id"]]
    return table_csv(table, names=[name for name in table if name in ("id", *GROUPS, "tags")])


def patches_zip(dataset: Dataset, rows: Sequence[int] | np.ndarray) -> bytes:
    """Return a zip with ``ID.png`` for each of `rows`, ``patches.csv`` and a note; unreadable patches have no PNG."""
    wanted = np.asarray(rows, dtype=np.int64)
    ids = dataset.table["id"].to_numpy(dtype=object)
    buffer = io.BytesIO()
    # Stored, because PNGs are compressed already.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("README.txt", NOTE)
        archive.writestr("patches.csv", patches_csv(dataset, wanted))
        for chosen, loaded in batches(dataset.store, wanted):
            for row, pixels in zip(chosen[loaded.readable], loaded.pixels[loaded.readable], strict=True):
                # An id with a path in it would be unpacked into another folder.
                archive.writestr(f"{file_name(str(ids[row]))}.png", to_png(pixels))
    return buffer.getvalue()
