"""The run directory: disk is the truth about a run.

::

    config.json         settings (TrainingConfig)
    process.json        pid and start time of the process that works on it
    status.json         state, progress, time left (Status)
    metrics.csv         a row for each finished epoch
    speed.csv           training patches a second in each finished epoch
    patches.csv         a few validation patches with their probability after each epoch
    split.csv           id and part of every patch
    decisions-N.csv     what was decided about patches of data set N, as it was at the first start
    checkpoint.pt       everything that is needed to go on
    log.txt             what the process said
    stop                is there when somebody asked the run to stop
    predictions.csv     validation patches with label, logit and calibrated probability
    test_predictions.csv  the same of the test patches of the first data set
    bundle.safetensors  the result
    notes.txt           what people write down about it

Every file but the log is replaced atomically, so any number of readers may look at any time.
"""

import io
import json
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from filelock import FileLock, Timeout

from core.errors import RunError, StorageError
from core.runs.config import TrainingConfig
from core.runs.status import Status
from core.storage import atomic
from core.storage.home import HOME_VARIABLE, runs_home

METRICS_COLUMNS = (
    "epoch",
    "train_loss",
    "valid_loss",
    "valid_auc",
    "valid_accuracy",
    "learning_rate",
)
"""Columns of ``metrics.csv``; losses are mean binary cross-entropy in nats."""

SPEED = ("epoch", "patches_per_second")
"""Columns of ``speed.csv``. It stands apart because it differs from time to time, and ``metrics.csv`` must not."""

PATCHES = ("epoch", "id", "label", "probability")
"""Columns of ``patches.csv``; the probability is the network's own, before calibration."""

START_SECONDS = 30.0
"""How long a run may be "starting" before its process must be there."""

_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Run:
    """A run directory.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def bundle_path(self) -> Path:
        """Where a finished run leaves its bundle."""
        return self.path / "bundle.safetensors"

    @property
    def checkpoint_path(self) -> Path:
        """Where the run can be taken up again."""
        return self.path / "checkpoint.pt"

    @property
    def log_path(self) -> Path:
        """What the process said."""
        return self.path / "log.txt"

    def is_there(self) -> bool:
        """Whether the folder still holds a run; somebody may delete it by hand, also while it trains."""
        return (self.path / "config.json").is_file()

    def place(self, name: str) -> Path:
        """Return where a file of the run is written. Raises :class:`RunError` if the folder is gone."""
        self.check_there()  # writing would bring it back, without what made it a run
        return self.path / name

    def check_there(self) -> None:
        """Raise :class:`RunError` if the folder is gone."""
        if not self.is_there():
            raise RunError(
                f"The folder of the run {self.name} is gone: {self.path / 'config.json'} is missing. It was deleted or "
                "moved while it was in use, so nothing more is written there and its training ends."
            )

    def config(self) -> TrainingConfig:
        """Return the settings. Raises :class:`RunError` if they are missing or damaged."""
        return TrainingConfig.from_json(self._json("config.json"))

    def status(self) -> Status:
        """Return the last word of the run, or "lost" if its process is gone without one.

        Raises:
            RunError: the file is missing or damaged.
        """
        status = Status.from_json(self._json("status.json"))
        if status.is_active and not self.is_alive():
            status = Status.from_json(self._json("status.json"))  # it may have ended between the two looks
            is_new = status.state == "starting" and time.time() - status.updated < START_SECONDS
            if status.is_active and not is_new:
                return Status.from_json({**status.to_json(), "state": "lost"})
        if status.state in ("starting", "queued", "running") and self.stop_requested():
            return Status.from_json({**status.to_json(), "state": "stopping"})
        return status

    def metrics(self) -> pd.DataFrame:
        """Return a row for each finished epoch, with the columns :data:`METRICS_COLUMNS`."""
        return self._table("metrics.csv", METRICS_COLUMNS)

    def speed(self) -> pd.DataFrame:
        """Return the throughput in each finished epoch, with the columns :data:`SPEED`."""
        return self._table("speed.csv", SPEED)

    def patches(self) -> pd.DataFrame:
        """Return the watched patches after each finished epoch, with the columns :data:`PATCHES`."""
        return self._table("patches.csv", PATCHES)

    def log_tail(self, lines: int = 40) -> str:
        """Return the last `lines` of the log."""
        try:
            with self.log_path.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - 65_536))
                text = file.read().decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def notes(self) -> str:
        """Return what people wrote down about the run; empty if nothing."""
        try:
            return (self.path / "notes.txt").read_text("utf-8")
        except FileNotFoundError:
            return ""

    def write_notes(self, text: str) -> None:
        """Replace the notes. Raises :class:`StorageError`."""
        atomic.write_text(self.place("notes.txt"), text)

    def is_alive(self) -> bool:
        """Whether the process that works on the run is there; a later one with the same pid does not count."""
        return self.process() is not None

    def process(self) -> psutil.Process | None:
        """Return the process that works on the run, or None."""
        try:
            record = self._json("process.json")
            process = psutil.Process(int(record["pid"]))
            same = abs(process.create_time() - float(record["created"])) < 1.0
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except (RunError, KeyError, psutil.NoSuchProcess):
            return None

    def record_process(self, pid: int) -> None:
        """Write down which process works on the run."""
        record = {"pid": pid, "created": psutil.Process(pid).create_time()}
        atomic.write_json(self.place("process.json"), record)

    def request_stop(self) -> None:
        """Ask the process to finish its step, save and end."""
        atomic.write_text(self.place("stop"), "")

    def stop_requested(self) -> bool:
        """Whether somebody asked for it."""
        return (self.path / "stop").exists()

    def stop_asked_for(self) -> float | None:
        """Return for how many seconds the process has been asked to stop; None if it has not."""
        try:
            return max(0.0, time.time() - (self.path / "stop").stat().st_mtime)
        except FileNotFoundError:
            return None

    def withdraw_stop(self) -> None:
        """Forget an earlier request, before the run goes on."""
        (self.path / "stop").unlink(missing_ok=True)

    def write_status(self, status: Status) -> None:
        """Replace ``status.json``."""
        atomic.write_json(self.place("status.json"), status.to_json())

    def write_metrics(self, rows: list[dict[str, float]]) -> None:
        """Replace ``metrics.csv``."""
        table = pd.DataFrame(rows, columns=list(METRICS_COLUMNS))
        atomic.write_text(self.place("metrics.csv"), table.to_csv(index=False, lineterminator="\n"))

    def write_speed(self, rows: list[dict[str, float]]) -> None:
        """Replace ``speed.csv``."""
        table = pd.DataFrame(rows, columns=list(SPEED))
        atomic.write_text(self.place("speed.csv"), table.to_csv(index=False, lineterminator="\n"))

    def write_patches(self, rows: list[dict[str, Any]]) -> None:
        """Replace ``patches.csv``."""
        table = pd.DataFrame(rows, columns=list(PATCHES))
        atomic.write_text(self.place("patches.csv"), table.to_csv(index=False, lineterminator="\n"))

    def lock(self) -> FileLock:
        """Return a held lock that any death of this process frees.

        Raises:
            RunError: another process works on this run.
            StorageError: the lock cannot be made.
        """
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=5)
        except Timeout as error:
            raise RunError(
                f"Another process works on the run {self.name}. Stop it first, or start a new run."
            ) from error
        except OSError as error:
            raise StorageError(f"The lock in {self.path} cannot be made: {error.strerror}. Free some space.") from error
        return lock

    def _table(self, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
        """Return a table; empty before it is written. Raises :class:`RunError` if it is damaged."""
        try:
            table = pd.read_csv(io.StringIO((self.path / name).read_text("utf-8")))
        except FileNotFoundError:
            return pd.DataFrame(columns=list(columns))
        except (OSError, ValueError) as error:  # pandas' errors are ValueErrors
            raise RunError(f"{name} of the run {self.name} is damaged: {error}.") from error
        if not set(columns) <= set(table.columns):
            raise RunError(f"{name} of the run {self.name} is damaged: its columns are {', '.join(table.columns)}.")
        return table

    def _json(self, name: str) -> dict[str, Any]:
        try:
            value: dict[str, Any] = json.loads((self.path / name).read_text("utf-8"))
        except FileNotFoundError as error:
            raise RunError(f"{self.path} is no run: {name} is missing.") from error
        except (OSError, ValueError) as error:
            raise self._damaged(name, str(error)) from error
        if not isinstance(value, dict):
            raise self._damaged(name, f"found {type(value).__name__} where names with values are expected")
        return value

    def _damaged(self, name: str, why: str) -> RunError:
        hint = " Resume makes a new one, and the run goes on from its checkpoint." if name == "status.json" else ""
        return RunError(f"{name} of the run {self.name} is damaged: {why}.{hint}")


def create_run(config: TrainingConfig, path: Path | None = None) -> Run:
    """Make a run directory that is ready to be started.

    Args:
        config: the settings.
        path: a folder that is empty or not there yet; None makes one with date and preset in its name.

    Raises:
        RunError: the folder holds something already.
        StorageError: it cannot be made.
    """
    try:
        if path is None:
            path = _fresh_folder(config.preset)
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            hint = " To go on with it, use --resume." if (path / "config.json").exists() else ""
            raise RunError(f"{path} is not empty, and a run never overwrites another one.{hint} Choose a new folder.")
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        place = path or runs_home()
        raise StorageError(
            f"The run folder {place} cannot be made: {error.strerror}. Choose another folder, or set {HOME_VARIABLE}."
        ) from error
    run = Run(path.resolve())
    first = Status().now(stage="Waiting for its process", epochs=config.epochs)
    atomic.write_json(run.path / "status.json", first.to_json())
    atomic.write_json(run.path / "config.json", config.to_json())
    return run


def open_run(path: Path) -> Run:
    """Return the run at `path`. Raises :class:`RunError` if there is none."""
    run = Run(path.expanduser().resolve())
    run.config()
    return run


def find_run(name: str) -> Run:
    """Return the run that is called `name` or lies at that path.

    Raises:
        RunError: there is none.
    """
    for path in (runs_home() / name if name == Path(name).name else Path(name), Path(name)):
        if (path.expanduser() / "config.json").is_file():
            return Run(path.expanduser().resolve())
    known = ", ".join(run.name for run in list_runs()[:5]) or "none yet"
    raise RunError(f"There is no run {name!r}. Give the name of a run in {runs_home()} ({known}) or a path.")


def list_runs(folder: Path | None = None) -> list[Run]:
    """Return the runs of `folder` (default: where the app makes them), newest first."""
    folder = folder or runs_home()
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError, NotADirectoryError):  # no run, or deleted in this moment
            found.append(((path / "config.json").stat().st_mtime_ns, path.name, path))
    return [Run(path) for _, _, path in sorted(found, reverse=True)]


def _fresh_folder(label: str) -> Path:
    """Make a folder that nobody else has, also when two ask in the same second."""
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{_NAME.sub('-', label)}"
    for number in range(1, 1000):
        path = runs_home() / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise RunError(f"There are a thousand runs called {stem}.")
