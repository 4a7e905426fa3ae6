"""WILDS' Camelyon17: metadata.csv beside patches/, with hospitals and slides.

Sources: Koh et al., "WILDS", 2021, and ``camelyon17_dataset.py`` there: hospital 1 is the validation split and hospital
2 the test split; of the other three, the tenth that is split 1 ("id_val") stays in training here.
"""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from core.data.csv_file import read_csv
from core.data.readers.folders import all_folders
from core.data.readers.protocol import NO, SURE, Given, Listing, Watched
from core.data.readers.tables import listing_of

NAME = "WILDS camelyon17"
EXAMPLE = "metadata.csv beside patches/"

TABLE, COLUMNS = "metadata.csv", ("patient", "node", "x_coord", "y_coord", "tumor", "center")
SPLIT_OF_CENTRE = {"1": "valid", "2": "test"}


def recognises(_path: Path, names: Collection[str]) -> int:
    """Whether it is WILDS' folder."""
    return SURE if {TABLE, "patches"} <= set(names) else NO


def watched(given: Given) -> Watched:
    """Return the folders of the slides, and the table."""
    return Watched(tuple(f"patches/{each}" for each in all_folders(given.folder / "patches", deepest=1)), (TABLE,))


def read(given: Given) -> Listing:
    """List the patches of the table. Raises :class:`core.errors.DataError`."""
    rows = read_csv(given.folder / TABLE, required=COLUMNS)
    rows["patient"] = rows["patient"].str.zfill(3)
    slide = "patient_" + rows["patient"] + "_node_" + rows["node"]
    place = "_x_" + rows["x_coord"] + "_y_" + rows["y_coord"]
    table = pd.DataFrame(
        {
            "path": "patches/" + slide + "/patch_" + slide + place + ".png",
            "class": rows["tumor"],
            "split": rows["center"].map(SPLIT_OF_CENTRE).fillna("train"),
            "slide": slide,
            "patient": rows["patient"],
            "centre": rows["center"],
        }
    )
    return listing_of(table.reset_index(drop=True), given)
