"""Scoring in a process of its own, which outlives the page that asked for it.

Its folder, beside the predictions it will leave (see :mod:`core.prediction.scores`), holds ``status.json`` (share done,
last word), ``process.json`` (pid and start time: a later process with the same pid does not count), ``log.txt`` and,
once somebody asked it to end, ``stop``.
"""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from core import atomic
from core.data import Dataset
from core.errors import NodescopeError, RunError
from core.prediction.bundle import Bundle
from core.prediction.predictor import Predictor
from core.prediction.score import score
from core.prediction.scores import save_scores, scores_path

ROOT = Path(__file__).resolve().parents[2]
REPORT_SECONDS = 0.5
ACTIVE = ("starting", "running")


class Cancelled(Exception):  # noqa: N818 - it is no error
    """Somebody asked the work to end."""


@dataclass(frozen=True)
class JobStatus:
    """What a job says of itself.

    Attributes:
        state: "none", "starting", "running", "finished", "cancelled", "failed" or "lost" (its process is gone without
            a last word; concluded, never written).
        share: finished share, 0 to 1.
        message: why it failed, else empty.
        seconds_left: estimate, or None.
    """

    state: str = "none"
    share: float = 0.0
    message: str = ""
    seconds_left: float | None = None

    @property
    def is_active(self) -> bool:
        """Whether a process works on it."""
        return self.state in ACTIVE


@dataclass(frozen=True)
class ScoreJob:
    """A folder in which a process scores a part of a data set.

    Attributes:
        path: the folder.
    """

    path: Path

    @classmethod
    def of(cls, bundle: Bundle, dataset: Dataset, part: str) -> "ScoreJob":
        """Return the job for a bundle, a data set and a part; there is one place for each."""
        return cls(scores_path(bundle, dataset, part).with_suffix(".job"))

    def status(self) -> JobStatus:
        """Return the last word of the job, or "lost" if its process is gone without one."""
        status = self._status()
        if status.is_active and self.process() is None:
            status = self._status()  # it may have ended between the two looks
            if status.is_active:
                return JobStatus("lost", status.share, "Its process ended without a last word; see log.txt.")
        return status

    def start(self, *, source: str, bundle: Path, part: str, device: str = "auto") -> None:
        """Start a detached process; return at once.

        Args:
            source: of the data set: "demo" or a path.
            bundle: the bundle's file.
            part: see :func:`core.prediction.score.select`.
            device: "auto", "cpu" or "cuda".

        Raises:
            RunError: a process is at work already.
            StorageError: the folder cannot be written.
        """
        if self.status().is_active:
            raise RunError("These patches are being scored already; wait for it or cancel it.")
        self.record_process(os.getpid())  # until the new process has a number, this one vouches for it
        self.write(JobStatus("starting"))
        (self.path / "stop").unlink(missing_ok=True)
        command = ["evaluate", "--data", source, "--bundle", str(bundle), "--split", part, "--device", device]
        with (self.path / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "core", *command, "--job", str(self.path)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.record_process(process.pid)
        # Somebody has to take note of its end, or it stays in the process table as a zombie while this one lives.
        threading.Thread(target=process.wait, daemon=True).start()

    def cancel(self) -> None:
        """Ask the process to end after the patches in work; what was predicted so far is dropped."""
        atomic.write_text(self.path / "stop", "")

    def is_cancelled(self) -> bool:
        """Whether somebody asked it to end."""
        return (self.path / "stop").exists()

    def run(self, predictor: Predictor, dataset: Dataset, part: str) -> JobStatus:
        """Score and store in this process, and return the last word, which is on disk too.

        Raises:
            NodescopeError: it failed.
        """
        self.record_process(os.getpid())
        started = last = time.monotonic()

        def report(share: float) -> None:
            nonlocal last
            if self.is_cancelled():
                raise Cancelled
            now = time.monotonic()
            if now - last >= REPORT_SECONDS:
                last = now
                left = (now - started) / share * (1 - share) if share else None
                self.write(JobStatus("running", share, seconds_left=left))

        try:
            self.write(JobStatus("running"))
            scored = score(predictor, dataset, part=part, progress=report)
            save_scores(scored, predictor.bundle, dataset, part)
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
        atomic.write_json(self.path / "status.json", status.__dict__)

    def record_process(self, pid: int) -> None:
        """Write down which process works on the job."""
        try:
            created = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return  # it is gone already, and status() will say so
        atomic.write_json(self.path / "process.json", {"pid": pid, "created": created})

    def process(self) -> psutil.Process | None:
        """Return the process that works on the job, or None."""
        record = self._json("process.json")
        try:
            process = psutil.Process(int(record["pid"]))
            same = abs(process.create_time() - float(record["created"])) < 1.0
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except (KeyError, psutil.NoSuchProcess):
            return None

    def _status(self) -> JobStatus:
        record = self._json("status.json")
        return JobStatus(**record) if record else JobStatus()

    def _json(self, name: str) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads((self.path / name).read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, json.JSONDecodeError) as error:
            raise RunError(
                f"{name} in {self.path} is damaged ({error}); delete the folder and evaluate again."
            ) from error
        return record
