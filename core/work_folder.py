"""The folder of some work that outlives the page that started it: what stands in it is the truth.

A run, a study, a preflight and a plain :class:`core.job.Job` are such folders. Each holds ``status.json`` (what the
work says of itself), ``process.json`` (which process works, and where), ``.lock`` (held by that process, so that any
death of it frees the folder), ``log.txt`` and, once somebody requested it, ``stop``.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import psutil
from filelock import FileLock, Timeout

from core.errors import NodescopeError, RunError, StorageError
from core.process import ProcessRecord
from core.storage import atomic, portable
from core.storage.record import Record
from core.storage.schema import parse


@dataclass(frozen=True)
class State:
    """What a run, a study or a job may be doing, as pages and commands show it.

    Attributes:
        label: its name on screen.
        icon: name of a Material symbol, as Streamlit takes it.
        colour: of a badge, as Streamlit takes it.
        is_active: whether a process must be alive in this state.
    """

    label: str
    icon: str
    colour: Literal["gray", "blue", "orange", "green", "red"] = "gray"
    is_active: bool = False


STATES = {
    "none": State("Not started", ":material/hourglass_empty:"),
    "starting": State("Starting", ":material/hourglass_top:", is_active=True),
    "queued": State("Queued", ":material/schedule:", is_active=True),
    "running": State("Running", ":material/play_circle:", "blue", is_active=True),
    "stopping": State("Stopping after this step", ":material/pause_circle:", "orange", is_active=True),
    "stopped": State("Stopped", ":material/stop_circle:"),
    "cancelled": State("Stopped", ":material/stop_circle:"),
    "finished": State("Finished", ":material/check_circle:", "green"),
    "failed": State("Failed", ":material/error:", "red"),
    "lost": State("Lost", ":material/help:", "orange"),
    "damaged": State("Damaged", ":material/broken_image:", "red"),
}
"""Every state by the key that stands in ``status.json``.

"none", "lost" and "damaged" are never written: they are concluded from a missing file, from a process that is gone, and
from a file that cannot be read.
A run is "stopped" where a job is "cancelled".
"""


@dataclass(frozen=True)
class WorkStatus(Record):
    """The status of some work: the content of ``status.json``.

    Attributes:
        state: one of :data:`STATES`.
    """

    state: str = "none"

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise TypeError(f"state must be one of {', '.join(STATES)}, got {self.state!r}")

    @property
    def is_active(self) -> bool:
        """Whether a process works on it."""
        return STATES[self.state].is_active


S = TypeVar("S", bound=WorkStatus)
R = TypeVar("R", bound=Record)
T = TypeVar("T")


@dataclass(frozen=True)
class WorkFolder:
    """A folder in which a process works.

    Attributes:
        path: the folder.
    """

    noun: ClassVar[str] = "job"
    """What errors call it."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def log_path(self) -> Path:
        """The file that takes all that the process prints."""
        return self.path / "log.txt"

    def place(self, name: str) -> Path:
        """Return where a file of the work is written."""
        return self.path / name

    def check_exists(self) -> None:
        """Raise :class:`RunError` if the folder is gone."""
        if not self.path.is_dir():
            raise RunError(f"The {self.noun} {self.name} is not there any more; it may have been deleted a moment ago.")

    def process(self) -> psutil.Process | None:
        """Return the process that works here, or None; a later process with the same pid does not count."""
        record = self._process_record()
        return None if record is None else record.process()

    def elsewhere(self) -> str:
        """Return the computer or container that works here; "" if it is this one, or nothing works."""
        record = self._process_record()
        return record.host if record is not None and record.is_elsewhere and self._is_locked() else ""

    def is_alive(self) -> bool:
        """Whether a process works here, on this computer or another one."""
        # The lock is asked too: it does not depend on numbers, clocks and records.
        return self.process() is not None or self._is_locked()

    def record_process(self, pid: int) -> None:
        """Write down which process works here."""
        with suppress(psutil.NoSuchProcess):  # it has ended already, and status() will say so
            atomic.write_json(self.place("process.json"), ProcessRecord.of(pid).to_json())

    def _process_record(self) -> ProcessRecord | None:
        try:
            return self.read_record(ProcessRecord, "process.json")
        except RunError:
            return None  # a record that cannot be read vouches for nobody; the lock still does

    def _is_locked(self) -> bool:
        """Whether a process holds the lock of this folder."""
        path = self.path / ".lock"
        if not path.is_file():
            return False
        lock = FileLock(path)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return True
        except OSError:  # somebody else's folder, or a file system without locks
            return False
        lock.release()
        return False

    def request_stop(self) -> None:
        """Ask the process to end: a run after its step, a job at its next report."""
        atomic.write_text(self.place("stop"), "")

    def stop_requested(self) -> bool:
        """Whether somebody requested the end of the process."""
        return (self.path / "stop").exists()

    def seconds_since_stop(self) -> float | None:
        """Return how long ago the end of the process was requested; None if it was not."""
        try:
            # Never below 0, also where the clock was set back or that of a network disk is ahead.
            return max(0.0, time.time() - (self.path / "stop").stat().st_mtime)
        except FileNotFoundError:
            return None

    def withdraw_stop(self) -> None:
        """Forget an earlier request to end, before the work goes on."""
        (self.path / "stop").unlink(missing_ok=True)

    def lock(self) -> FileLock:
        """Return a held lock that any death of this process frees.

        Raises:
            RunError: another process works here.
            StorageError: the lock cannot be made.
        """
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=5)
        except Timeout as error:
            raise RunError(f"Another process works on the {self.noun} {self.name}. Stop it first.") from error
        except OSError as error:
            raise StorageError(f"The lock in {self.path} cannot be made: {error.strerror}. Free some space.") from error
        return lock

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Return the content of a JSON file; None before it is written. Raises :class:`RunError` if it is damaged."""
        try:
            value = parse(portable.read_text(self.path / name))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self.damaged(name, str(error)) from error
        if not isinstance(value, dict):
            raise self.damaged(name, f"it must be an object of names with values, got {type(value).__name__}")
        return value

    def read_record(self, kind: type[R], name: str) -> R | None:
        """Return the content of a JSON file as a record; None before it is written.

        Raises:
            RunError: it is damaged.
        """
        value = self.read_json(name)
        return None if value is None else self.understood(name, lambda: kind.from_json(value))

    def understood(self, name: str, read: Callable[[], T]) -> T:
        """Return what `read` makes of the content of a file.

        Raises:
            RunError: it cannot, because the file is damaged.
        """
        try:
            return read()
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, NodescopeError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise self.damaged(name, reason) from error

    def require_json(self, name: str) -> dict[str, Any]:
        """Return the content of a JSON file. Raises :class:`RunError` if it is missing or damaged."""
        value = self.read_json(name)
        if value is None:
            raise RunError(f"{self.path} is no {self.noun}: {name} is missing.")
        return value

    def damaged(self, name: str, reason: str) -> RunError:
        """Return the error that says that a file is damaged, and what to do."""
        remedy = self._remedy(name)
        return RunError(f"{name} of the {self.noun} {self.name} is damaged: {reason}." + (remedy and f" {remedy}"))

    def _remedy(self, _name: str) -> str:
        return f"Delete the folder {self.path} and start again."

    def sweep(self) -> None:
        """Delete what killed writers left behind; for whoever holds the lock, or is about to start the work."""
        atomic.sweep(self.path)

    def _concluded(self, read: Callable[[], S], **lost: Any) -> S:
        """Return the status that `read` gives, as "lost" (with the values `lost`) if its process is gone."""
        status = read()
        if status.is_active and not self.is_alive():
            status = read()  # it may have ended between the two checks
            if status.is_active and not self._may_start(status):
                return replace(status, state="lost", **lost)
        return status

    def _may_start(self, _status: WorkStatus) -> bool:
        """Whether a process that is not there may be still to come."""
        return False
