"""NCT-CRC-HE-100K and CRC-VAL-HE-7K: nine tissues in folders, 224×224 at 0.5 µm per pixel; which are tumour is asked.

Source: Kather et al., 2018 (Zenodo 1214456).
"""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from core.data.image_files import folders_in
from core.data.readers import class_folders
from core.data.readers.protocol import NO, SURE, Given, Listing

NAME = "NCT-CRC"
EXAMPLE = "NCT-CRC-HE-100K/TUM/a.tif"

TISSUES = frozenset(("ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"))
MPP = 0.5

watched = class_folders.watched


def recognises(path: Path, names: Collection[str]) -> int:
    """Whether most of the nine tissues are folders in it, or in one of its folders of this name."""
    inner = [name for name in names if name.startswith(("NCT-CRC-HE-100K", "CRC-VAL-HE-7K"))]
    places = (names, *(folders_in(path / name) for name in inner))
    return SURE if any(len(TISSUES & set(each)) > 6 for each in places) else NO


def read(given: Given) -> Listing:
    """List the patches; those of CRC-VAL-HE-7K, of other patients, are the test split."""
    listing = class_folders.read(given)
    is_test = listing.table["place"].str.contains("CRC-VAL-HE-7K")
    split = is_test.map({True: "test", False: "train"})
    return Listing(listing.table.assign(split=split, slide=pd.NA, mpp=MPP), listing.store, listing.problems)
