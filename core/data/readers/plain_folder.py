"""A folder of images without labels, perhaps in sub-folders, whose names are then taken as slides."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from core.data.dataset import Problem
from core.data.image_files import is_image
from core.data.readers import class_folders
from core.data.readers.folders import image_folders, list_images
from core.data.readers.names import SPLIT_OF
from core.data.readers.protocol import LAST, MAYBE, NO, Given, Listing

NAME = "images without labels"
EXAMPLE = "a.png, b.tif"

watched = class_folders.watched


def recognises(path: Path, names: Collection[str]) -> int:
    """Whether it holds images: perhaps where they lie in it, and as a last resort where they lie below."""
    if any(map(is_image, names)):
        return MAYBE
    return LAST if names and image_folders(path) else NO


def read(given: Given) -> Listing:
    """List all images. Raises :class:`core.errors.DataError`."""
    table, store, problems = list_images(given.folder, image_folders(given.folder))
    names = table["place"].str.split("/").str[-1]
    table["split"] = names.str.lower().map(SPLIT_OF).fillna("train")
    table["slide"] = names.where((table["place"] != ".") & ~names.str.lower().isin(SPLIT_OF.keys()), pd.NA)
    problems.append(Problem("labels", "were not found, so that patches can be looked at and predicted only", patches=0))
    return Listing(table, store, tuple(problems))
