"""Work in a process of its own, which outlives the page that started it."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from core.errors import NodescopeError, RunError, StorageError
from core.progress import Progress
from core.storage import atomic, portable
from core.storage.lock import action_lock
from core.work_folder import WorkFolder, WorkStatus

ROOT = Path(__file__).resolve().parents[1]
# Work may report many times a second, and each report on disk is a file with an fsync.
REPORT_SECONDS = 0.5


def detached(command: Sequence[str], log: Path, *, fresh: bool = False) -> subprocess.Popen[bytes]:
    """Start ``python -m core COMMAND`` in a session of its own, which outlives this process, and return at once.

    Args:
        command: the arguments after ``python -m core``.
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
    # The process has its own handle of the log, so this one may be closed as soon as it has started.
    with file:
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "core", *command],
                cwd=ROOT,  # where `-m core` is found, wherever the page was started
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # The log is complete even if it is killed, and in UTF-8 on every system.
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"},
                **portable.detachment(),  # Ctrl-C or the end of the terminal must not reach it
            )
        except OSError as error:
            raise RunError(f"No process could be started: {error.strerror}. Close other programs first.") from error


class Cancelled(Exception):  # noqa: N818 - it is no error
    """Somebody requested the end of the work."""


class Pace:
    """How long the rest will take, from how the share has grown since it was first reported.

    What an earlier attempt had finished by then says nothing about the rate of this one.
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
    """The status of a job.

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
            lambda: self.read_record(JobStatus, "status.json") or JobStatus(),
            message="Its process ended before the work was done; see log.txt.",
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
            self.sweep()
            self.record_process(os.getpid())  # until the new process has a number, this one vouches for it
            self.write(JobStatus("starting"))
            # A request that was meant for an earlier attempt would cancel this one at its first report.
            self.withdraw_stop()
            process = detached([*command, "--job", str(self.path)], self.log_path, fresh=True)
            self.record_process(process.pid)
        # Somebody has to take note of its end, or it stays in the process table as a zombie while this one lives.
        threading.Thread(target=process.wait, daemon=True).start()

    def _check_idle(self) -> None:
        """Raise :class:`RunError` if it cannot be started now. Nobody else starts or deletes anything meanwhile."""
        if self.status().is_active:
            raise RunError("This is being worked on already; wait for it or cancel it.")

    def work(
        self, what: Callable[[Progress], object], *, every: float = REPORT_SECONDS, is_locked: bool = False
    ) -> JobStatus:
        """Do the work in this process, and return the last status, which is on disk too.

        Args:
            what: gets the function to which it reports the finished share; that raises :class:`Cancelled` once
                somebody has requested its end.
            every: seconds between two reports on disk.
            is_locked: whether the caller holds the lock of the folder already.

        Raises:
            NodescopeError: it failed.
        """
        with nullcontext() if is_locked else self.lock():
            return self._work(what, every)

    def _work(self, what: Callable[[Progress], object], every: float) -> JobStatus:
        self.record_process(os.getpid())
        last, pace = time.monotonic(), Pace()

        def report(share: float) -> None:
            nonlocal last
            if self.stop_requested():
                raise Cancelled
            # At every report, also one that is not written: the first says where this attempt began.
            left = pace.seconds_left(share)
            if time.monotonic() - last >= every:
                last = time.monotonic()
                self.write(JobStatus("running", share, seconds_left=left))

        try:
            self.write(JobStatus("running"))
            what(report)
            last_status = JobStatus("finished", 1.0)
        except Cancelled:
            last_status = JobStatus("cancelled")
        # A defect is not caught: the job then counts as lost, and its traceback stands in log.txt.
        except NodescopeError as error:
            self.write(JobStatus("failed", message=str(error)))
            raise
        self.write(last_status)
        return last_status

    def write(self, status: JobStatus) -> None:
        """Replace ``status.json``. Raises :class:`StorageError`."""
        atomic.write_json(self.path / "status.json", status.to_json())
