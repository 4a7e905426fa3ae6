"""Folders of images: which folders below one hold some, and what their names tell."""

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from core.data.dataset import Problem
from core.data.image_files import find_images, is_folder, is_image, printable
from core.data.picture_store import FileStore
from core.errors import DataError

DEEPEST, MOST = 5, 20_000
"""How many levels, and how many folders, are looked through."""


def image_folders(folder: Path, *, deepest: int = DEEPEST) -> list[str]:
    """Return the folders that hold images, from `folder` on ("." is itself), by name; no file is looked at.

    Raises:
        DataError: `folder` itself cannot be read.
    """
    try:
        return sorted(path for path, holds in _walk(folder, ".", deepest) if holds)
    except OSError as error:
        raise DataError.unreadable(folder, error) from error


def first_image(folder: Path) -> str:
    """Return the name of an image in a folder, "" where there is none or it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return next((entry.name for entry in entries if is_image(entry.name)), "")
    except OSError:
        return ""


def all_folders(folder: Path, *, deepest: int = DEEPEST) -> tuple[str, ...]:
    """Return all folders from `folder` on, by name. Raises OSError."""
    return tuple(sorted(path for path, _ in _walk(folder, ".", deepest)))


def _walk(root: Path, folder: str, deepest: int) -> Iterator[tuple[str, bool]]:
    """Yield the path of each folder and whether it holds an image; those that may not be read are passed over."""
    below, holds = [], False
    with os.scandir(root / folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(".") or name == "__MACOSX":
                continue
            if holds and not is_folder(entry):
                continue
            if is_image(name) and not is_folder(entry):
                holds = True
            elif is_folder(entry) and printable(name) == name:
                below.append(name)
    yield folder, holds
    for name in sorted(below)[:MOST] if deepest else ():
        try:
            yield from _walk(root, name if folder == "." else f"{folder}/{name}", deepest - 1)
        except OSError:
            continue


def list_images(folder: Path, places: list[str]) -> tuple[pd.DataFrame, FileStore, list[Problem]]:
    """Return the images of some folders: ``id``, ``place`` (the folder) of each, their store, and what is left out.

    The id is the name without its suffix; names that stand in several folders carry their folders, joined by "__".

    Raises:
        DataError: a folder cannot be read.
    """
    problems: list[Problem] = []
    ids, paths, where = list[str](), list[str](), list[str]()
    for place in places:
        taken = find_images(folder / place, problems).taken
        ids += taken.keys()
        paths += taken.values()
        where += [place] * len(taken)
    table = pd.DataFrame({"id": pd.Series(ids, dtype="str"), "place": pd.Series(where, dtype="str")})
    table["id"] = unique_ids(table["id"], table["place"])
    return table, FileStore(paths), problems


def unique_ids(names: "pd.Series[str]", places: "pd.Series[str]") -> "pd.Series[str]":
    """Return the names; those that stand in several places carry theirs before them.

    Example:
        >>> unique_ids(pd.Series(["a", "a", "b"]), pd.Series(["x/y", "z", "z"])).to_list()
        ['x__y__a', 'z__a', 'b']
    """
    shared = names.duplicated(keep=False) & (places != ".")
    return names.mask(shared, places.str.replace("/", "__") + "__" + names)
