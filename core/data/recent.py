"""The data sets that were opened last on this computer, with what was recognised: offered where one is opened."""

from dataclasses import dataclass

from filelock import FileLock

from core.errors import StorageError
from core.storage import atomic
from core.storage.home import home, make_folder
from core.storage.record import Record
from core.storage.roots import is_allowed
from core.storage.schema import parse

NAME, MOST = "recent.json", 20


@dataclass(frozen=True)
class Recent(Record):
    """A data set that was opened.

    Attributes:
        source: its path.
        found: what was recognised, see :func:`core.data.found.describe`.
    """

    source: str
    found: str = ""


def recent() -> tuple[Recent, ...]:
    """Return the data sets that were opened last, the newest first; none where the list is missing or damaged."""
    try:
        known = map(Recent.from_json, parse((home() / NAME).read_text("utf-8")))
        return tuple(each for each in known if is_allowed(each.source))
    except (OSError, ValueError, TypeError):  # a list of conveniences: nothing is lost with it
        return ()


def remember_opened(source: str, found: str) -> None:
    """Put a data set first in the list; where the home folder may not be written, nothing happens."""
    path, first = home() / NAME, Recent(source, found)
    if recent()[:1] == (first,):
        return
    try:
        make_folder(path.parent)
        # Read under the lock: what another process puts first meanwhile would else be lost.
        with FileLock(path.with_suffix(".lock"), timeout=1):
            kept = [each for each in recent() if each.source != source]
            atomic.write_json(path, [each.to_json() for each in (first, *kept)][:MOST])
    except (OSError, StorageError):
        return
