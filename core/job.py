"""Work in a process of its own, which outlives the page that started it.

Every such work has a folder, and what stands in it is the truth: a run, a study and a preflight are :class:`WorkFolder`
like the plain :class:`Job`. The folder holds ``status.json`` (what the work says of itself), ``process.json`` (pid and
start time: a later process with the same pid does not count), ``log.txt`` and, once somebody asked for it, ``stop``.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import psutil
from filelock import FileLock, Timeout

from core.errors import NodescopeError, RunError, StorageError
from core.progress import Progress
from core.storage import atomic
from core.storage.lock import action_lock

ROOT = Path(__file__).resolve().parents[1]
REPORT_SECONDS = 0.5


@dataclass(frozen=True)
class State:
    """What a run, a study or a job may be doing, as pages and commands show it.

    Attributes:
        label: in words.
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
}
"""Every state by the key that stands in ``status.json``.

"none" and "lost" are never written: the one is concluded from a missing file, the other from a process that is gone.
A run is "stopped" where a job is "cancelled".
"""


@dataclass(frozen=True)
class WorkStatus:
    """What some work says of itself: the content of ``status.json``.

    Attributes:
        state: one of :data:`STATES`.
    """

    state: str = "none"

    @property
    def is_active(self) -> bool:
        """Whether a process works on it."""
        return self.state in STATES and STATES[self.state].is_active

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Return what :meth:`to_json` gave; values of a newer version are left out."""
        names = {each.name for each in fields(cls)}
        return cls(**{name: item for name, item in value.items() if name in names})


S = TypeVar("S", bound=WorkStatus)


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
        try:
            record = self.require_json("process.json")
            process = psutil.Process(int(record["pid"]))
            # The system rounds the start time differently from call to call.
            same = abs(process.create_time() - float(record["created"])) < 1.0
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except (RunError, KeyError, psutil.NoSuchProcess):
            return None

    def is_alive(self) -> bool:
        """Whether a process works here."""
        return self.process() is not None

    def record_process(self, pid: int) -> None:
        """Write down which process works here."""
        try:
            created = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return  # it has ended already, and status() will say so
        atomic.write_json(self.place("process.json"), {"pid": pid, "created": created})

    def request_stop(self) -> None:
        """Ask the process to end: a run after its step, a job at its next report."""
        atomic.write_text(self.place("stop"), "")

    def stop_requested(self) -> bool:
        """Whether somebody asked the process to end."""
        return (self.path / "stop").exists()

    def seconds_since_stop(self) -> float | None:
        """Return for how long the process has been asked to end; None if it has not."""
        try:
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
            value = json.loads((self.path / name).read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self.damaged(name, str(error)) from error
        if not isinstance(value, dict):
            raise self.damaged(name, f"found {type(value).__name__} where names with values are expected")
        return value

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

    def _concluded(self, read: Callable[[], S], **lost: Any) -> S:
        """Return the status that `read` gives, as "lost" (with the values `lost`) if its process is gone."""
        status = read()
        if status.is_active and not self.is_alive():
            status = read()  # it may have ended between the two looks
            if status.is_active and not self._may_start(status):
                return replace(status, state="lost", **lost)
        return status

    def _may_start(self, _status: WorkStatus) -> bool:
        """Whether a process that is not there may be still to come."""
        return False


def detached(command: Sequence[str], log: Path, *, fresh: bool = False) -> subprocess.Popen[bytes]:
    """Start ``python -m core COMMAND`` in a session of its own, which outlives this process, and return at once.

    Args:
        command: the words after ``python -m core``.
        log: the file that takes all that it prints.
        fresh: empty that file first.

    Raises:
        StorageError: the log cannot be written.
        RunError: the system starts no more processes.
    """
    try:
        file = log.open("wb" if fresh else "ab")
    except OSError as error:
        raise StorageError(f"{log} cannot be written: {error.strerror}. Free some space.") from error
    with file:
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "core", *command],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        except OSError as error:
            raise RunError(f"No process could be started: {error.strerror}. Close other programs first.") from error


class Cancelled(Exception):  # noqa: N818 - it is no error
    """Somebody asked the work to end."""


class Pace:
    """How long the rest will take, from how the share has grown since it was first told.

    What an earlier attempt had finished by then tells nothing about the rate of this one.
    """

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None

    def seconds_left(self, share: float) -> float | None:
        """Take note of the finished share, 0 to 1, and return the estimate, or None while there is none."""
        now = time.monotonic()
        if self._first is None:
            self._first = (share, now)
        first, started = self._first
        return (now - started) / (share - first) * (1 - share) if share > first else None


@dataclass(frozen=True)
class JobStatus(WorkStatus):
    """What a job says of itself.

    Attributes:
        share: finished share, 0 to 1.
        message: why it failed, else empty.
        seconds_left: estimate, or None.
    """

    share: float = 0.0
    message: str = ""
    seconds_left: float | None = None


@dataclass(frozen=True)
class Job(WorkFolder):
    """A folder in which a process works, which does one thing and reports how far it is."""

    def status(self) -> JobStatus:
        """Return the last status of the job, or "lost" if its process is gone before the end."""
        return self._concluded(
            lambda: JobStatus.from_json(self.read_json("status.json") or {}),
            message="Its process ended without a last word; see log.txt.",
            seconds_left=None,
        )

    def launch(self, command: Sequence[str]) -> None:
        """Start ``python -m core COMMAND --job PATH`` as a detached process; return at once.

        Raises:
            RunError: a process is at work already.
            StorageError: the folder cannot be written.
        """
        with action_lock():
            self._check_idle()
            self.record_process(os.getpid())  # until the new process has a number, this one vouches for it
            self.write(JobStatus("starting"))
            self.withdraw_stop()
            process = detached([*command, "--job", str(self.path)], self.log_path, fresh=True)
            self.record_process(process.pid)
        # Somebody has to take note of its end, or it stays in the process table as a zombie while this one lives.
        threading.Thread(target=process.wait, daemon=True).start()

    def _check_idle(self) -> None:
        """Raise :class:`RunError` if it cannot be started now. Nobody else starts or deletes anything meanwhile."""
        if self.status().is_active:
            raise RunError("This is being worked on already; wait for it or cancel it.")

    def work(self, what: Callable[[Progress], object], *, every: float = REPORT_SECONDS) -> JobStatus:
        """Do the work in this process, and return the last word, which is on disk too.

        Args:
            what: gets the function to which it reports the finished share; that raises :class:`Cancelled` once
                somebody has asked the work to end.
            every: seconds between two reports on disk.

        Raises:
            NodescopeError: it failed.
        """
        self.record_process(os.getpid())
        last, pace = time.monotonic(), Pace()

        def report(share: float) -> None:
            nonlocal last
            if self.stop_requested():
                raise Cancelled
            left = pace.seconds_left(share)
            if time.monotonic() - last >= every:
                last = time.monotonic()
                self.write(JobStatus("running", share, seconds_left=left))

        try:
            self.write(JobStatus("running"))
            what(report)
            word = JobStatus("finished", 1.0)
        except Cancelled:
            word = JobStatus("cancelled")
        except NodescopeError as error:
            self.write(JobStatus("failed", message=str(error)))
            raise
        self.write(word)
        return word

    def write(self, status: JobStatus) -> None:
        """Replace ``status.json``. Raises :class:`StorageError`."""
        atomic.write_json(self.path / "status.json", status.to_json())
