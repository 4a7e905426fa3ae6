"""What differs between Linux, macOS and Windows, in this one place; everything else is written as if they were alike.

Windows replaces, moves and deletes no file that anybody has open, syncs no folder, and has no process groups and no
POSIX signals.
"""

import errno
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

WINDOWS = os.name == "nt"

PATIENCE_SECONDS = 2.0
"""How long a file may be open elsewhere on Windows before it counts as an error; readers and virus scanners take
milliseconds."""

# Of Windows' CreateProcess: a console that nobody sees and that no other program's end closes, and a group that Ctrl+C
# in another one does not reach. `subprocess` has these names on Windows alone.
_CREATE_NEW_PROCESS_GROUP, _CREATE_NO_WINDOW = 0x200, 0x8000000

_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|COM[0-9¹²³]|LPT[0-9¹²³])", re.IGNORECASE)
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')
LONGEST_NAME = 150


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk, as far as the system lets it.

    Raises:
        OSError: the disk did not take it.
    """
    if not path.is_dir():
        # For writing, because Windows refuses to sync what was opened for reading.
        _sync(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    elif not WINDOWS:  # which opens no folder; NTFS keeps a journal of names
        try:
            _sync(path, os.O_RDONLY)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # a network folder that knows no sync
                raise


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def patiently(act: Callable[..., T], *arguments: Any) -> T:
    """Return what `act` does, tried again on Windows while somebody has the file open for a moment.

    Raises:
        OSError: it cannot be done, or the file stays open.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return act(*arguments)
        except PermissionError:
            if not WINDOWS or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def replace(source: Path, target: Path) -> None:
    """Put a file in the place of another one, or a folder where there is none. Raises :class:`OSError`."""
    patiently(os.replace, source, target)


def read_text(path: Path, errors: str = "strict") -> str:
    """Return a UTF-8 text that another process may replace at this moment. Raises :class:`OSError`, ValueError."""
    return patiently(path.read_text, "utf-8", errors)


def remove(path: Path) -> None:
    """Delete a file if it is there; on Windows one that stays open stays, for whoever comes next.

    Raises:
        OSError: it cannot be deleted.
    """
    try:
        patiently(path.unlink, True)
    except PermissionError:
        if not WINDOWS:
            raise


def moves_open_files() -> bool:
    """Whether a folder can be moved while a file in it is open, as a held lock is."""
    return not WINDOWS


def is_own(found: os.stat_result) -> bool:
    """Whether a file is this user's; Windows tells it by other means, and its home folders are private as they are."""
    return WINDOWS or found.st_uid == os.getuid()


def free_space(folder: Path) -> int:
    """Return the free bytes of the disk of a folder. Raises :class:`OSError`."""
    return shutil.disk_usage(folder).free


def taken_space(path: Path) -> int:
    """Return the bytes that a file takes from its disk, which are fewer than its size where it has holes."""
    found = path.stat()
    return found.st_size if WINDOWS else found.st_blocks * 512


def claim_space(path: Path) -> None:
    """Take the whole size of a file from the disk, where the system can: one that gets full later harms it no more."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def opened_at_once(path: str, flags: int) -> int:
    """Open a file as :func:`open` wants it done by an opener, without waiting for the writer of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def detachment() -> dict[str, Any]:
    """Return the arguments of :class:`subprocess.Popen` under which a process outlives this one and its terminal."""
    if WINDOWS:
        return {"creationflags": _CREATE_NEW_PROCESS_GROUP | _CREATE_NO_WINDOW}
    return {"start_new_session": True}


def kill(process: psutil.Process) -> None:
    """End a process and those that it started, at once; does nothing where it is gone."""
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        # A detached process leads a group of its own. One that was started otherwise may share its group with the
        # program that started it, which must live.
        if not WINDOWS and process.pid == os.getpgid(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
            return
        for each in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                each.kill()


def file_name(text: str) -> str:
    """Return a text as one name of a file that every system takes; "" where nothing of it can stay.

    Example:
        >>> file_name("a/b:c."), file_name("con.txt")
        ('a_b_c', '_con.txt')
    """
    safe = "".join("_" if each in _NOT_IN_NAMES or not each.isprintable() else each for each in text[:LONGEST_NAME])
    safe = safe.strip(" .")
    # Windows takes these for devices, whatever suffix follows.
    return f"_{safe}" if _RESERVED.fullmatch(safe.partition(".")[0].rstrip()) else safe
