"""What a reader of a layout is: it recognises a path, says which files count, and gives a table with its pixels."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from core.data.store import PatchStore
from core.errors import Problem

NO, LAST, MAYBE, SURE = 0, 1, 2, 3
"""How certain a reader is of a path. SURE is for what has names of its own, and also finds a data set from inside or
from above; LAST is for what is taken only if nothing else is there."""


@dataclass(frozen=True)
class Given:
    """What a reader reads.

    Attributes:
        path: a folder, or a file where the reader takes one.
        root: the folder from which relative paths in a table count, where a person chose one.
    """

    path: Path
    root: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder, or that of the file."""
        return self.path.parent if self.path.is_file() else self.path


@dataclass(frozen=True)
class Watched:
    """What tells that a data set has changed, by names from its folder on.

    Attributes:
        tracked: folders whose entries count, and files whose size and times do.
        read: small files whose content counts.
    """

    tracked: tuple[str, ...]
    read: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """The patches of a data set; no pixel of them has been read.

    Attributes:
        table: one row a patch: ``id`` (unique text) and, where they are known, ``label`` (0, 1 or missing) or else
            ``class`` (text; missing where there is no label), ``split`` ("train", "valid", "test"), ``slide``,
            ``patient`` and ``centre`` (text), ``mpp`` (µm per pixel).
        store: their pixels, in the order of the table.
        problems: what is left out, and why.
    """

    table: pd.DataFrame
    store: PatchStore
    problems: tuple[Problem, ...] = ()


class Reader(Protocol):
    """A layout. A module with these names is one, and so is any object.

    Attributes:
        NAME: of the layout, as it stands in cards and in the sidebar.
        EXAMPLE: what it looks like, for the sentence on what could be read.
    """

    NAME: str
    EXAMPLE: str

    def recognises(self, path: Path, names: Collection[str], /) -> int:
        """Return how certain it is that `path` has this layout, by the `names` in the folder (none of a file)."""
        ...

    def watched(self, given: Given, /) -> Watched:
        """Return what tells that the data set has changed. Raises OSError."""
        ...

    def read(self, given: Given, /) -> Listing:
        """Return the patches. Raises :class:`core.errors.DataError`."""
        ...
