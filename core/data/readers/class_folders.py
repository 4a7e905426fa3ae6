"""Class folders: tumour/ and normal/ (or 1/ and 0/, malignant/ and benign/), perhaps below train/, valid/, test/."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from core.data.dataset import Problem
from core.data.readers.folders import all_folders, image_folders, list_images
from core.data.readers.names import SPLIT_OF, known_label
from core.data.readers.protocol import LAST, NO, SURE, Given, Listing, Watched

NAME = "class folders"
EXAMPLE = "tumour/a.png and normal/b.png, perhaps below train/, valid/ and test/"

MOST_CLASSES = 20
"""More names than these are slides or patients, and no classes."""


def recognises(path: Path, names: Collection[str]) -> int:
    """Whether it holds a folder for each class: surely so where all names tell what they are, else as a last resort."""
    if not names:
        return NO
    found = [_parts(place) for place in image_folders(path, deepest=3)]
    classes = {name for name, _, _ in found if name}
    if len(classes) == 1 and known_label(*classes) in (0, 1):  # the other one may be there without images
        names_below = (place.rpartition("/")[2] for place in all_folders(path, deepest=3))
        classes |= {name for name in names_below if known_label(name) in (0, 1)}
    if not 2 <= len(classes) <= MOST_CLASSES:
        return NO
    known = {known_label(name) for name in classes}
    groups = {above for _, _, above in found}
    # Below one or two other names they are data sets of their own, and train/ alone is only a part of one.
    sure = {0, 1} <= known <= {-1, 0, 1} and (groups == {None} or len(groups) > 2) and path.name.lower() not in SPLIT_OF
    return SURE if sure else LAST


def watched(given: Given) -> Watched:
    """Return all its folders."""
    return Watched(all_folders(given.folder))


def read(given: Given) -> Listing:
    """List the images of all folders; a class is the last name that is no split, names above it are slides.

    Raises:
        DataError: a folder cannot be read.
    """
    places = image_folders(given.folder)
    table, store, problems = list_images(given.folder, places)
    parts = {place: _parts(place) for place in places}
    columns = ("class", "split", "slide")
    table[list(columns)] = pd.DataFrame([parts[place] for place in table["place"]], columns=columns, dtype="str")
    problems += [
        Problem(f"{place}/", "is a class without images", patches=0)
        for place in all_folders(given.folder)
        if place not in parts and known_label(place.rpartition("/")[2]) in (0, 1)
    ]
    return Listing(table, store, tuple(problems))


def _parts(place: str) -> tuple[str | None, str, str | None]:
    """Return class, split and slide that the names of folders tell.

    Example:
        >>> [_parts(each) for each in ("train/tumour", "tumour/val", "case7/0", "test")]
        [('tumour', 'train', None), ('tumour', 'valid', None), ('0', 'train', 'case7'), (None, 'test', None)]
    """
    names = [] if place == "." else place.split("/")
    split = next((SPLIT_OF[name.lower()] for name in names if name.lower() in SPLIT_OF), "train")
    rest = [name for name in names if name.lower() not in SPLIT_OF]
    return (rest[-1] if rest else None), split, "/".join(rest[:-1]) or None
