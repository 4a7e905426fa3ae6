"""Tags: free words that people give to patches, to find and export them again.

``tags.csv`` lies beside the pack of its data set and has the columns ``id`` and ``tag``, a line for each tag of each
patch. Tags change nothing in training or evaluation.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from filelock import FileLock

from core.data.pack_blocks import pack_folder
from core.errors import DataError, StorageError
from core.storage import atomic, spreadsheet
from core.storage.home import make_folder

LONGEST = 40
"""Characters of a tag."""

Tags = dict[str, tuple[str, ...]]
"""The ids that have each tag, both in alphabetical order."""


def tags_path(source: str) -> Path:
    """Return where the tags of a data set are or will be."""
    return pack_folder(source) / "tags.csv"


def tags_of(source: str) -> Tags:
    """Return the tags of a data set.

    Raises:
        DataError: the file is damaged.
    """
    path, found = tags_path(source), set[tuple[str, str]]()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, strict=True):
                found.add((spreadsheet.original(row["tag"]), spreadsheet.original(row["id"])))
    except FileNotFoundError:
        return {}
    except (OSError, csv.Error, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"The tags in {path} cannot be read: {error}. Correct the file, or delete it.") from error
    tags: dict[str, list[str]] = {}
    for tag, patch_id in sorted(found):
        tags.setdefault(tag, []).append(patch_id)
    return {tag: tuple(ids) for tag, ids in tags.items()}


def change_tag(source: str, ids: Iterable[str], tag: str, *, on: bool) -> str:
    """Give patches a tag, or take it from them; return the tag as it is stored, without spaces around it.

    Args:
        source: of the data set.
        ids: the patches.
        tag: a word or a few.
        on: whether they have it from now on.

    Raises:
        DataError: the tag is empty, too long or not printable, or what is there cannot be read.
        StorageError: it cannot be written.
    """
    name = tag.strip()
    if not name or len(name) > LONGEST or not name.isprintable():
        raise DataError(f"A tag needs 1 to {LONGEST} printable characters, got {tag!r}.")
    path, chosen = tags_path(source), set(ids)
    try:
        make_folder(path.parent)
        with FileLock(path.with_suffix(".lock")):  # two people may tag at once, and both count
            stored = tags_of(source)
            held = set(stored.get(name, ()))
            stored[name] = tuple(held | chosen if on else held - chosen)
            lines = [(patch_id, each) for each, having in sorted(stored.items()) for patch_id in sorted(having)]
            table = pd.DataFrame(lines, columns=("id", "tag"))
            atomic.write_text(path, spreadsheet.table_csv(table, names=("id", "tag")))
    except OSError as error:
        raise StorageError(f"The tags could not be written to {path}: {error.strerror or error}.") from error
    return name
