"""The run directory: disk is the truth about a run.

::

    config.json         settings (TrainingConfig)
    process.json        pid and start time of the process that works on it
    status.json         state, progress, time left (Status)
    metrics.csv         a row for each finished epoch
    steps.csv           mean training loss of each few steps, also of the epoch in work
    speed.csv           training patches a second in each finished epoch
    patches.csv         a few validation patches with their probability after each epoch
    split.csv           id and split of every patch
    decisions-N.csv     what was decided about patches of data set N, as it was at the first start
    checkpoint.pt       everything that is needed to go on
    log.txt             what the process printed
    stop                is there when somebody requested that the run stops
    predictions.csv     validation patches with label, logit and calibrated probability
    test_predictions.csv  the same of the test patches of the first data set
    bundle.safetensors  the result
    name.txt, tags.txt, notes.txt, by.txt  what people write down about it and who started it, see core.runs.described

Every file is replaced atomically, so any number of readers may read at any time, but the log and ``steps.csv``, which
grow at their end.
"""

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from core.errors import ConfigError, RunError, StorageError
from core.runs.config import TrainingConfig
from core.runs.status import Status
from core.runs.tables import Tables
from core.storage import atomic
from core.storage.home import HOME_VARIABLE, make_folder, runs_home
from core.storage.record import typed
from core.storage.schema import parse
from core.work_folder import WorkStatus

START_SECONDS = 30.0
"""How long a run may be "starting" before its process must be there."""

_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Run(Tables):
    """A run directory."""

    noun: ClassVar[str] = "run"

    @property
    def bundle_path(self) -> Path:
        """Where a finished run leaves its bundle."""
        return self.path / "bundle.safetensors"

    @property
    def checkpoint_path(self) -> Path:
        """Where the run can be taken up again."""
        return self.path / "checkpoint.pt"

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
        """Return the settings; while the file is the same, it is read and checked once.

        Raises:
            RunError: they are missing or damaged.
        """
        try:
            found = (self.path / "config.json").stat()
        except OSError:
            found = None
        # The file is replaced, never changed in place, so that another content has another inode or time.
        return _config(self, None if found is None else (found.st_ino, found.st_mtime_ns, found.st_size))

    def status(self) -> Status:
        """Return the last status of the run, or "lost" if its process is gone before the end.

        Raises:
            RunError: the file is missing or damaged.
        """
        status = self._concluded(self.stored_status)
        # Concluded and not written: a process in a long step writes nothing, and whoever clicked should see at once
        # that the request is there.
        if status.state in ("starting", "queued", "running") and self.stop_requested():
            return replace(status, state="stopping")
        return status

    def stored_status(self) -> Status:
        """Return the last status as it stands on disk, without any conclusion from processes.

        Raises:
            RunError: the file is missing or damaged.
        """
        status = self.read_record(Status, "status.json")
        if status is None:
            raise RunError(f"{self.path} is no run: status.json is missing.")
        return status

    def _may_start(self, status: WorkStatus) -> bool:
        is_new = isinstance(status, Status) and time.time() - status.updated < START_SECONDS
        return is_new and status.state == "starting"

    def sources(self) -> tuple[dict[str, Any], ...]:
        """Return what the run wrote down about each of its data sets and how it divided them; none before it began.

        Raises:
            RunError: it is damaged.
        """
        try:
            return tuple(typed(tuple[dict[str, Any], ...], parse((self.path / "data.json").read_text("utf-8")), "it"))
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError) as error:
            raise self.damaged("data.json", str(error)) from error

    def log_tail(self, lines: int = 40) -> str:
        """Return the last `lines` of the log."""
        try:
            # Only the end is read, because the log of a long run grows. The cut may fall within a character, hence
            # bytes that are decoded with replacement.
            with self.log_path.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - 65_536))
                text = file.read().decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def write_status(self, status: Status) -> None:
        """Replace ``status.json``."""
        atomic.write_json(self.place("status.json"), status.to_json())

    def _remedy(self, name: str) -> str:
        return "Resume makes a new one, and the run goes on from its checkpoint." if name == "status.json" else ""


@lru_cache(maxsize=1024)
def _config(run: Run, _version: tuple[int, int, int] | None) -> TrainingConfig:
    value = run.require_json("config.json")
    try:
        return TrainingConfig.from_json(value)
    except ConfigError as error:
        raise run.damaged("config.json", str(error)) from error


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
        make_folder(path)
    except OSError as error:
        place = path or runs_home()
        raise StorageError(
            f"The run folder {place} cannot be made: {error.strerror}. Choose another folder, or set {HOME_VARIABLE}."
        ) from error
    # Absolute, because the detached process works in another folder.
    run = Run(path.resolve())
    first = Status().now(stage="Waiting for its process", epochs=config.epochs)
    # config.json comes last, because it makes the folder a run: no reader sees one without a status.
    atomic.write_json(run.path / "status.json", first.to_json())
    atomic.write_json(run.path / "config.json", config.to_json())
    return run


def open_run(path: Path) -> Run:
    """Return the run at `path`. Raises :class:`RunError` if there is none."""
    run = Run(path.expanduser().resolve())
    run.config()
    return run


def find_run(name: str) -> Run:
    """Return the run that is called `name`, by its folder or by people, or that lies at that path.

    Raises:
        RunError: there is none, or people gave the name to several.
    """
    # A bare name is first of all a run in the home folder, whatever lies in the working directory.
    for path in (runs_home() / name if name == Path(name).name else Path(name), Path(name)):
        if (path.expanduser() / "config.json").is_file():
            return Run(path.expanduser().resolve())
    called = [run for run in list_runs() if _is_called(run, name)]
    if len(called) > 1:
        names = ", ".join(run.name for run in called)
        raise RunError(f"{len(called)} runs have the name {name!r}. Give the name of a folder: {names}.")
    if called:
        return called[0]
    known = ", ".join(run.name for run in list_runs()[:5]) or "none yet"
    raise RunError(f"There is no run {name!r}. Give the name of a run in {runs_home()} ({known}) or a path.")


def _is_called(run: Run, name: str) -> bool:
    try:
        return run.title() == name
    except RunError:  # a damaged one must not hide the others
        return False


def list_runs() -> list[Run]:
    """Return the runs of the home folder, newest first."""
    if not runs_home().is_dir():
        return []
    found = []
    # By the time of config.json, which is written once, when the run is made: names are people's, and folders change.
    for path in runs_home().iterdir():
        with suppress(FileNotFoundError, NotADirectoryError):  # no run, or deleted in this moment
            found.append(((path / "config.json").stat().st_mtime_ns, path.name, path))
    return [Run(path) for _, _, path in sorted(found, reverse=True)]


def _fresh_folder(label: str) -> Path:
    """Make a folder that nobody else has, also when two are made in the same second."""
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{_NAME.sub('-', label)}"
    for number in range(1, 1000):
        path = runs_home() / (stem if number == 1 else f"{stem}-{number}")
        try:
            # Making it is the test: between a look and the making, another process could take the name.
            make_folder(path.parent)
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise RunError(f"There are a thousand runs called {stem}.")
