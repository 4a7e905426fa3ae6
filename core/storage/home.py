"""Where Nodescope keeps what it makes: the cached demo set, packs and runs."""

import os
from pathlib import Path

HOME_VARIABLE = "NODESCOPE_HOME"

OWN_HOME = f"Check its permissions, or set {HOME_VARIABLE} to a folder of your own."
"""What to do where a file of the home may not be read: it is whole, and often another user's."""


def home() -> Path:
    """Return the folder for everything Nodescope makes: ``$NODESCOPE_HOME``, else ``~/.nodescope``.

    The page and the command line use the same folder whatever the working directory is, so that both see the same runs.
    The folder may not exist yet; whoever writes into it makes it.
    """
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen).expanduser().resolve() if chosen else Path.home() / ".nodescope"


def runs_home() -> Path:
    """Return the folder whose subfolders are runs."""
    return home() / "runs"
