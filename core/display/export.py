"""Chosen patches as files to take away: a table, or PNGs with it."""

import csv
import io
import zipfile
from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.data import CLASS_NAMES, Dataset
from core.display.pictures import to_png

NOTE = "Patches exported from Nodescope. For research use only, not for diagnosis.\n"

_CHUNK = 512


def patches_csv(dataset: Dataset, rows: Sequence[int] | np.ndarray) -> str:
    """Return id, label, class, split and slide of `rows` as CSV.

    Text that a spreadsheet would take for a formula is led by an apostrophe.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["id", "label", "class", "split", "slide"])
    for entry in dataset.table.iloc[np.asarray(rows, dtype=np.int64)].itertuples(index=False):
        label = "" if pd.isna(entry.label) else int(entry.label)
        name = "" if label == "" else CLASS_NAMES[int(label)]
        slide = "" if pd.isna(entry.slide) else str(entry.slide)
        writer.writerow([_safe(str(entry.id)), label, name, entry.split, _safe(slide)])
    return buffer.getvalue()


def patches_zip(dataset: Dataset, rows: Sequence[int] | np.ndarray) -> bytes:
    """Return a zip with ``ID.png`` for each of `rows`, ``patches.csv`` and a note; unreadable patches have no PNG."""
    wanted = np.asarray(rows, dtype=np.int64)
    ids = dataset.table["id"].to_numpy(dtype=object)[wanted]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("README.txt", NOTE)
        archive.writestr("patches.csv", patches_csv(dataset, wanted))
        for start in range(0, len(wanted), _CHUNK):
            loaded = dataset.store.load(wanted[start : start + _CHUNK])
            for position, pixels in enumerate(loaded.pixels):
                if position not in loaded.unreadable:
                    name = str(ids[start + position]).replace("/", "_").replace("\\", "_")
                    archive.writestr(f"{name}.png", to_png(pixels))
    return buffer.getvalue()


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
