"""Tags: free words that people give to patches, to find and export them again.

``tags.csv`` lies beside the pack of its data set, only grows (see :mod:`core.data.journal`) and has the columns ``id``,
``tag``, ``given`` ("no" where the tag was taken off again), ``by`` and ``at``. Tags change nothing in training or
evaluation.
"""

from collections.abc import Iterable
from pathlib import Path

from core.data.journal import Cells, Journal
from core.data.pack_blocks import pack_folder
from core.errors import DataError

LONGEST = 40
"""Characters of a tag."""

TAKEN = "no"

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
    having: dict[str, set[str]] = {}
    for cells in tag_lines(source):
        ids = having.setdefault(cells["tag"], set())
        (ids.add if has_tag(cells) else ids.discard)(cells["id"])
    return {tag: tuple(sorted(ids)) for tag, ids in sorted(having.items()) if tag and ids}


def tag_lines(source: str) -> list[Cells]:
    """Return all that was ever tagged in a data set, in order. Raises :class:`DataError`."""
    return _journal(source).read()


def has_tag(line: Cells) -> bool:
    """Whether a line gives the tag; else it takes it."""
    return line["given"] != TAKEN


def tag_name(tag: str) -> str:
    """Return a tag without spaces around it. Raises :class:`DataError` if it is empty, too long or not printable."""
    name = tag.strip()
    if not name or len(name) > LONGEST or not name.isprintable():
        raise DataError(f"A tag needs 1 to {LONGEST} printable characters, got {tag!r}.")
    return name


def change_tag(source: str, ids: Iterable[str], tag: str, *, on: bool, by: str = "") -> str:
    """Give patches a tag, or take it from them; return the tag as it is stored, without spaces around it.

    Raises:
        DataError: the tag is empty, too long or not printable, or what is there cannot be read.
        StorageError: it cannot be written.
    """
    name, given = tag_name(tag), "" if on else TAKEN
    _journal(source).append([{"id": each, "tag": name, "given": given} for each in dict.fromkeys(ids)], by=by)
    return name


def _journal(source: str) -> Journal:
    return Journal(tags_path(source), ("id", "tag", "given"), required=("id", "tag"))
