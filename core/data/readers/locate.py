"""Where the files lie that a table names: with or without suffix and folder, here or on the computer it is from."""

import os
from collections.abc import Sequence
from pathlib import Path

from core.data.matching import key_of
from core.data.readers.folders import image_folders
from core.data.readers.protocol import Given
from core.errors import ChoiceError, Problem
from core.storage.roots import is_allowed


def located(cells: Sequence[str], given: Given) -> tuple[list[str], list[Problem]]:
    """Return the path of the file that each cell of a table means, "" for none, and a problem for each without one.

    A path counts from the folder of the table (or the root that a person chose), or is absolute. Of one that is not
    there, as on another computer, the folders at its end are looked for here, and at last its name among all images.

    Raises:
        ChoiceError: none of the files is there, so that a person has to say where they lie.
    """
    places = _Places(given.root or given.folder)
    paths = [places.find(*cell.strip().replace("\\", "/").rpartition("/")[::2]) for cell in cells]
    missing = [cell for cell, path in zip(cells, paths, strict=True) if not path]
    if len(missing) == len(cells):
        named = given.path.name if given.path.is_file() else "its table"
        raise ChoiceError(
            f"None of the {len(cells):,} files that {named} names is in {places.base}, such as "
            f"{missing[0] if missing else 'no file'}. Say in which folder they lie: under 'Data set' in the sidebar, "
            "or with --root DIR.",
            about="root",
        )
    why = "is named in the table, but there is no such file"
    return paths, [Problem(cell or "an empty path", why, "without a file") for cell in missing]


class _Places:
    """The folders that a table names; each is listed once."""

    def __init__(self, base: Path):
        self.base = base
        self._listed: dict[str, dict[str, str | None]] = {}
        self._anywhere: dict[str, str | None] | None = None

    def find(self, folder: str, name: str) -> str:
        """Return the path of the one file that is meant, or ""."""
        if folder not in self._listed:
            self._listed[folder] = _by_key([self._resolved(folder)])
        known = self._listed[folder]
        found = known.get(name) or known.get(key_of(name))
        if not found and not folder and name:
            if self._anywhere is None:
                self._anywhere = _by_key([self.base / each for each in image_folders(self.base)])
            found = self._anywhere.get(name) or self._anywhere.get(key_of(name))
        return found or ""

    def _resolved(self, folder: str) -> Path:
        """Return the folder that is meant: as written, or the longest end of it that is here."""
        if is_allowed(exact := self.base / folder) and exact.is_dir():
            return exact
        parts = folder.strip("/").split("/")
        tails = (self.base.joinpath(*parts[start:]) for start in range(1, len(parts)))
        return next((each for each in tails if each.is_dir()), self.base)


def _by_key(folders: Sequence[Path]) -> dict[str, str | None]:
    """Return paths by name and by what an id of them may be; None where several files are meant."""
    found: dict[str, str | None] = {}
    for folder in folders:
        try:
            names = sorted(os.listdir(folder)) if is_allowed(folder) else []
        except OSError:
            continue
        for name in names:
            path = os.path.join(folder, name)
            for key in {name, key_of(name)}:
                found[key] = None if key in found else path
    return found
