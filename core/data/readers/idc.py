"""Invasive ductal carcinoma, 50×50: PATIENT/0 and PATIENT/1 with names such as 10253_idx5_x1001_y1001_class0.png.

Source: Cruz-Roa et al., 2014, and Janowczyk & Madabhushi, 2016. Slides were scanned at 40×, but the patches were cut
from a coarser level, of which their descriptions do not tell the scale: the places in the names span 3,000 pixels of
whole sections, which are a few µm per pixel. So the scale is asked for.
"""

import re
from collections.abc import Collection
from pathlib import Path

from core.data.readers import class_folders
from core.data.readers.folders import first_image
from core.data.readers.protocol import NO, SURE, Given, Listing

NAME = "IDC 50×50"
EXAMPLE = "10253/0/10253_idx5_x1001_y1001_class0.png"

_IMAGE = re.compile(r"\d+_idx5_x\d+_y\d+_class[01]\.png")

watched = class_folders.watched


def recognises(path: Path, names: Collection[str]) -> int:
    """Whether its folders are patients with such names in them."""
    patients = sorted(name for name in names if name.isdigit())[:3]
    firsts = (first_image(path / patient / label) for patient in patients for label in "01")
    return SURE if any(map(_IMAGE.fullmatch, firsts)) else NO


def read(given: Given) -> Listing:
    """List the patches with their patients. Raises :class:`core.errors.DataError`."""
    listing = class_folders.read(given)
    return Listing(listing.table.assign(patient=listing.table["slide"]), listing.store, listing.problems)
