"""The study: several runs that belong together, trained one after the other by one process.

A study is a folder of ``studies/`` and a :class:`core.job.Job`::

    study.json          kind, settings, names of its runs; written once
    decisions.csv       what was decided about patches when it was made; all its runs obey it
    status.json         state and share, as of every job
    process.json        which process works on it
    log.txt             what it printed
    results.json        its result; see core.studies.cross_validation, .search and .learning_curve

Each of its runs is an ordinary one among all others. A study that was killed goes on: finished runs are kept, the
unfinished one is taken up from its checkpoint.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from core.data import Dataset, decisions_of, open_dataset
from core.data.decisions import to_csv
from core.data.open import recognise
from core.errors import ConfigError, RunError, StorageError
from core.job import Job, JobStatus
from core.runs.config import TrainingConfig
from core.runs.moved_data import move_data
from core.runs.run import Run
from core.storage import atomic
from core.storage.home import home, make_folder, runs_home
from core.storage.lock import action_lock
from core.storage.portable import file_name
from core.storage.record import typed

Kind = Literal["folds", "search", "curve"]
_OWN: dict[str, dict[str, Any]] = {
    "folds": {"folds": int, "by": str},
    "search": {"trials": int, "over": tuple[dict[str, Any], ...], "seed": int, "pruner": str},
    "curve": {"sizes": tuple[int, ...], "stretch": tuple[float, ...], "seeds": tuple[int, ...], "equal": str},
}
"""The own settings of each kind of study, with their types."""

KIND_NAMES: dict[Kind, str] = {"folds": "cross-validation", "search": "search", "curve": "learning curve"}
"""Every kind of study with its name."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Study(Job):
    """A folder that holds several runs together; the names of its runs begin with its own."""

    noun: ClassVar[str] = "study"

    @property
    def kind(self) -> Kind:
        """One of "folds" (cross-validation), "search" (of settings) and "curve" (of learning)."""
        kind: Kind = self.about()["kind"]
        return kind

    def about(self) -> dict[str, Any]:
        """Return ``study.json``. Raises :class:`RunError` if it is missing or damaged."""
        about = self.require_json("study.json")
        for key, kind in (("kind", Kind), ("config", dict), ("settings", dict), ("runs", tuple[str, ...])):
            if key not in about:
                raise self.damaged("study.json", f"{key} is missing")
            try:
                typed(kind, about[key], key)
            except TypeError as error:
                raise self.damaged("study.json", str(error)) from error
        # They are joined to the folder of the runs.
        strange = [name for name in about["runs"] if _NAME.fullmatch(name) is None]
        if strange:
            raise self.damaged("study.json", f"{strange[0]!r} is no name of a run")
        return about

    def _remedy(self, _name: str) -> str:
        return f"Put a copy of it back, or delete the folder {self.path}; its runs stay."

    def config(self) -> TrainingConfig:
        """Return the settings that its runs share."""
        try:
            return TrainingConfig.from_json(self.about()["config"])
        except ConfigError as error:
            raise self.damaged("study.json", str(error)) from error

    def dataset(self) -> Dataset:
        """Return the first of its data sets, the one that is validated and tested on."""
        config = self.config()
        return open_dataset(config.data[0], decisions=config.decisions or None)

    def settings(self) -> dict[str, Any]:
        """Return its own settings beyond the training: folds, trials and what they vary, or sizes."""
        about = self.about()
        settings: dict[str, Any] = about["settings"]
        kinds = _OWN[about["kind"]].items()
        self.understood("study.json", lambda: [typed(kind, settings[name], name) for name, kind in kinds])
        return settings

    def run_names(self) -> tuple[str, ...]:
        """Return the names of all its runs, those included that are not there yet."""
        return tuple(self.about()["runs"])

    def runs(self) -> list[Run]:
        """Return the runs that are there, in their order."""
        runs = [Run(runs_home() / name) for name in self.run_names()]
        return [run for run in runs if run.is_there()]

    def missing(self) -> tuple[str, ...]:
        """Return the names of its runs that are not there: not made yet, or deleted since."""
        there = {run.name for run in self.runs()}
        return tuple(name for name in self.run_names() if name not in there)

    def results(self) -> dict[str, Any] | None:
        """Return ``results.json``, or None before there is one."""
        found = self.read_json("results.json") or None
        if found is not None:
            self.understood("results.json", lambda: typed(tuple[str, ...], found.get("settled", ()), "settled"))
        return found

    def status(self) -> JobStatus:
        """Return the last status of the study; "damaged", with the sentence that says so, where the file is damaged."""
        try:
            return super().status()
        except RunError as error:
            return JobStatus("damaged", message=str(error))

    def request_stop(self) -> None:
        """Ask the process to let the run in work finish its step, save, and end."""
        super().request_stop()
        for run in self.runs():
            if run.is_alive() and run.status().is_active:
                run.request_stop()

    def _check_idle(self) -> None:
        self.check_exists()
        super()._check_idle()


def studies_home() -> Path:
    """Return the folder whose subfolders are studies."""
    return home() / "studies"


def list_studies() -> list[Study]:
    """Return all studies, newest first."""
    folder = studies_home()
    found = [path for path in folder.iterdir() if (path / "study.json").is_file()] if folder.is_dir() else []
    return [Study(path) for path in sorted(found, key=lambda path: (path / "study.json").stat().st_mtime, reverse=True)]


def open_study(name: str) -> Study:
    """Return the study that is called `name`. Raises :class:`RunError` if there is none."""
    path = studies_home() / name
    if _NAME.fullmatch(name) is None or not (path / "study.json").is_file():
        known = ", ".join(study.name for study in list_studies()[:5]) or "none yet"
        raise RunError(f"There is no study {name!r} in {studies_home()} ({known}).")
    return Study(path)


def create_study(
    kind: Kind,
    config: TrainingConfig,
    *,
    name: str | None,
    settings: dict[str, Any],
    suffixes: Sequence[str],
) -> Study:
    """Make a study that is ready to be started.

    Args:
        kind: what it is.
        config: the settings that its runs share.
        name: letters, digits, ".", "_" and "-"; None makes one of date, kind and preset.
        settings: its own beyond that.
        suffixes: what distinguishes the names of its runs, such as "fold-1".

    Raises:
        RunError: the name is taken, by a study or by a run, or cannot be one.
        StorageError: it cannot be made.
    """
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{kind}-{config.preset}" if name is None else name
    if _NAME.fullmatch(name) is None or file_name(name) != name:  # such as CON, which is a device on Windows
        raise RunError(
            f"A study's name has letters, digits, '.', '_' and '-' only and ends in none of '.', got {name!r}."
        )
    study = Study(studies_home() / name)
    runs = [f"{name}-{suffix}" for suffix in suffixes]
    check_free((study.path, *(runs_home() / run for run in runs)))
    try:
        make_folder(study.path)
    except OSError as error:
        raise StorageError(f"The folder {study.path} cannot be made: {error.strerror}.") from error
    # Somebody may decide about patches while the study trains, and its runs have to stay comparable.
    if not config.decisions:
        config = config.with_changes(decisions=str(_freeze_decisions(study, config.data)))
    about = {"kind": kind, "config": config.to_json(), "settings": settings, "runs": runs}
    atomic.write_json(study.path / "study.json", about)
    return study


def check_free(paths: Iterable[Path]) -> None:
    """Raise :class:`RunError` if one of the folders that a study would make is there already."""
    taken = [path for path in paths if path.exists()]
    if taken:
        raise RunError(f"{taken[0]} is there already, and a study never overwrites anything. Choose another name.")


@contextmanager
def extending(study: Study) -> Iterator[dict[str, Any]]:
    """Yield ``study.json`` to extend the study, and write it; nobody starts or deletes anything meanwhile.

    The names of its runs are only added to, because those that are there keep theirs.

    Raises:
        RunError: a process works on the study, or a name that a new run would have is taken.
    """
    with action_lock():
        if study.status().is_active:
            raise RunError(
                f"The {KIND_NAMES[study.kind]} {study.name} is being worked on. Let it finish or stop it, then extend "
                "it."
            )
        about = study.about()
        before = set(about["runs"])
        yield about
        check_free(runs_home() / name for name in about["runs"] if name not in before)
        atomic.write_json(study.path / "study.json", about)


def move_study_data(study: Study, sources: Sequence[str]) -> None:
    """Let a study and its runs go on with their data in another place, if it is the same data.

    Raises:
        RunError: there are more or fewer sources than the study has, one holds other data, or a process works on it.
        DataError: one is no data set.
    """
    with extending(study) as about:
        config = study.config()
        if len(sources) != len(config.data):
            raise RunError(f"The study {study.name} has {len(config.data)} data sets, got {len(sources)} new places.")
        for run in study.runs():
            move_data(run, sources)
        runs = study.runs()
        places = runs[0].config().data if runs else tuple(str(Path(source).resolve()) for source in sources)
        about["config"] = config.with_changes(data=places).to_json()


def start_study(study: Study, *, workers: int = 1) -> None:
    """Start a detached process that works on the study, from where it was left; return at once.

    From 2 on, `workers` runs are trained at the same time, each in a process of its own.

    Raises:
        RunError: a process works on it already.
    """
    study.launch(["studies", "work", *(["--workers", str(workers)] if workers > 1 else [])])


def _freeze_decisions(study: Study, sources: Sequence[str]) -> Path:
    """Write down what is decided about patches at this moment, and return where: all runs of a study obey the same."""
    path, decided = study.path / "decisions.csv", {}
    for source in sources:
        decided.update(decisions_of(recognise(source)))
    atomic.write_text(path, to_csv(decided))
    return path
