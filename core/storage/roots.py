"""The folders in which a shared viewer may open data: nothing outside of them is opened, listed or told about.

Without any, everything that the process may read may be opened: then it works for one person on their own computer.
"""

import os
from pathlib import Path

from core.errors import DataError
from core.formatting import printable
from core.storage.home import home

ROOTS_VARIABLE = "NODESCOPE_DATA_ROOTS"
"""Folders, with ":" between them (";" on Windows). Processes that the viewer starts obey them too."""


def roots() -> tuple[Path, ...]:
    """Return the allowed folders; none where all may be opened."""
    given = os.environ.get(ROOTS_VARIABLE, "").split(os.pathsep)
    return tuple(Path(os.path.realpath(os.path.expanduser(each))) for each in given if each.strip())


def is_allowed(path: str | Path) -> bool:
    """Whether a path lies in an allowed folder or in Nodescope's own, whatever links it goes through."""
    allowed = roots()
    if not allowed:
        return True
    try:
        real = Path(os.path.realpath(os.path.expanduser(path)))
    except (OSError, ValueError):  # a null character, or a loop of links
        return False
    return any(real.is_relative_to(each) for each in (*allowed, Path(os.path.realpath(home()))))


def require_allowed(path: str | Path) -> None:
    """Raise :class:`DataError` unless a path may be opened; whether there is anything is not said."""
    if not is_allowed(path):
        names = ", ".join(map(str, roots()))
        raise DataError(f"{printable(str(path))} may not be opened here. Choose something in {names}.")
