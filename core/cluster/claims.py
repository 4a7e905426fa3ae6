"""Who works on a piece of work: one process at most, on one machine or on several with one shared folder.

A claim is a file in the piece's folder, ``000001.json``, ``000002.json``, ... Whoever makes the next number has the
piece: making a file that must not be there yet is one step of the file server, also over NFS, so that of two that try
one succeeds. The file says which process has it, and holds a counter that this process raises every few seconds. Who
finds the counter unchanged for a while, by its own stopwatch, may make the next number; the one before then finds that
it was taken over, and ends. No time of day and no time of a file is ever compared.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import StorageError
from core.job import Cancelled
from core.process import ProcessRecord
from core.storage import atomic
from core.storage.home import make_folder
from core.storage.schema import parse

BEAT_SECONDS = 5.0
"""How often the counter is raised."""

SILENT_SECONDS = 120.0
"""How long it must stand still before another machine takes the piece over: a client of NFS may show what it has read
of a file for a minute."""

KEPT = 50
"""Claims that stay: one that is deleted could be made a second time by a process that slept for so many others."""

Mark = tuple[int, int]
"""The number of a claim and its counter: as long as a process that works is seen, this changes."""


@dataclass(frozen=True)
class Owner(ProcessRecord):
    """The content of a claim.

    Attributes:
        beat: the counter.
        released: whether it was given back.
    """

    beat: int = 0
    released: bool = False


class Taken(Exception):  # noqa: N818 - nothing went wrong
    """Another process works on the piece; its arguments are the :data:`Mark` of that one's claim."""


@contextmanager
def claimed(folder: Path, *, over: int = 0) -> Iterator[Callable[[], None]]:
    """Hold the claim on a piece during the body.

    Args:
        folder: of the piece's claims; made if it is not there.
        over: the number of a claim that has been silent for :data:`SILENT_SECONDS`; 0 is none.

    Yields:
        A function that raises :class:`core.job.Cancelled` once another process has taken the piece over.

    Raises:
        Taken: another process has it.
        StorageError: the claim cannot be written.
    """
    owner = Owner.of(os.getpid())
    number = _take(folder, over, owner)
    ended, lost = threading.Event(), threading.Event()

    def write(now: Owner) -> None:
        with suppress(StorageError):  # a full disk: the work itself will say so, and others see this one as silent
            atomic.write_json(_file(folder, number), now.to_json())

    def beat() -> None:
        count = 0
        while not ended.wait(BEAT_SECONDS):
            if _file(folder, number + 1).exists() or not folder.is_dir():
                lost.set()
                return
            write(replace(owner, beat=(count := count + 1)))

    def check() -> None:
        if lost.is_set():
            raise Cancelled

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield check
    finally:
        ended.set()
        thread.join()
        if not lost.is_set() and folder.is_dir():
            write(replace(owner, released=True))


def _take(folder: Path, over: int, owner: Owner) -> int:
    """Make the next claim of a piece that is free, and return its number."""
    try:
        make_folder(folder)
        last = max((int(path.stem) for path in folder.glob("*.json") if path.stem.isdigit()), default=0)
        before = _read(_file(folder, last))
        if last != over and not (before and (before.released or before.has_ended())):
            raise Taken(last, before.beat if before else -1)
        try:
            handle = os.open(_file(folder, last + 1), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            raise Taken(last + 1, -1) from None
        os.close(handle)  # empty for a moment, which readers take for a claim of somebody they cannot name
        atomic.write_json(_file(folder, last + 1), owner.to_json())
        _file(folder, last + 1 - KEPT).unlink(missing_ok=True)
    except OSError as error:
        problem = f"{folder} cannot be written: {error.strerror or error}."
        raise StorageError(f"{problem} Free some space, or choose another folder.") from error
    return last + 1


def _read(path: Path) -> Owner | None:
    try:
        return Owner.from_json(parse(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # it was just made, or is read over a network while it is replaced


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:06}.json"
