"""Where Nodescope keeps what it makes: the cached demo set, packs and runs."""

import os
import stat
from pathlib import Path

from core.storage import portable

HOME_VARIABLE = "NODESCOPE_HOME"
OWNER_ONLY = 0o700
_PRIVATE = ".private"
"""The file that says that the permissions of the home folder were set once."""

OWN_HOME = f"Check its permissions, or set {HOME_VARIABLE} to a folder of your own."
"""What to do where a file of the home may not be read: it is whole, and often another user's."""


def home() -> Path:
    """Return the folder for everything Nodescope makes: ``$NODESCOPE_HOME``, else ``~/.nodescope``.

    The page and the command line use the same folder whatever the working directory is, so that both see the same runs.
    The folder may not exist yet; whoever writes into it makes it.
    """
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen).expanduser().resolve() if chosen else Path.home() / ".nodescope"


def make_folder(path: Path) -> None:
    """Make a folder and those above it, if they are not there; a home folder is made for its owner alone.

    Raises:
        OSError: it cannot be made.
    """
    top = home()
    if path.is_relative_to(top) and not top.exists():
        top.parent.mkdir(parents=True, exist_ok=True)
        top.mkdir(mode=OWNER_ONLY, exist_ok=True)
        (top / _PRIVATE).touch()
    path.mkdir(parents=True, exist_ok=True)


def tighten_home() -> None:
    """Take a home folder of an earlier version from the eyes of other users, once: who shares it later, shares it.

    Runs and decisions name files and patients' slides. A folder that its group may write to is shared on purpose, and
    so is one of somebody else.
    """
    top = home()
    try:
        found = top.stat()
        if (top / _PRIVATE).exists() or not portable.is_own(found) or found.st_mode & stat.S_IWGRP:
            return
        top.chmod(OWNER_ONLY)
        (top / _PRIVATE).touch()
    except OSError:
        return  # there is none yet, or its disk knows no permissions: both leave nothing to do


def runs_home() -> Path:
    """Return the folder whose subfolders are runs."""
    return home() / "runs"
