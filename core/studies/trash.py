"""Deleting runs and studies, so that they can be taken back: they move to the trash until somebody empties it.

A run in the trash is its folder. A study goes there with its runs, and comes back with them::

    trash/NAME/             a run
    trash/NAME/studies/     a study's folder ...
    trash/NAME/runs/        ... and those of its runs
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import RunError, StorageError
from core.runs.run import Run
from core.storage import portable
from core.storage.home import home, make_folder, runs_home
from core.storage.lock import action_lock
from core.studies.study import KIND_NAMES, Study, list_studies, studies_home
from core.work_folder import WorkFolder


@dataclass(frozen=True)
class Trashed:
    """A run in the trash, or a study with its runs.

    Attributes:
        path: its folder.
        deleted: seconds since 1970 at which it came there.
        size: bytes of all its files.
        is_study: whether it is a study.
        runs: how many runs lie in it.
    """

    path: Path
    deleted: float
    size: int
    is_study: bool
    runs: int

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def description(self) -> str:
        """What it is, such as "study with 5 runs"."""
        return f"study with {self.runs} run{'' if self.runs == 1 else 's'}" if self.is_study else "run"


def trash_home() -> Path:
    """Return the folder that deleted runs and studies are moved to."""
    return home() / "trash"


def delete(run: Run) -> Path:
    """Move a run to the trash and return where it lies now.

    Raises:
        RunError: a process works on it or on its study, or it is not there any more.
        StorageError: it cannot be moved.
    """
    with action_lock():
        _check_idle(run)
        with _held(run):
            target = _free(trash_home() / run.name)
            _move(run.path, target)
            target.touch()  # its time is from now on that of the deletion
    return target


def what_loses(run: Run) -> str:
    """Return the sentence that says which study loses a run that is deleted; empty if it belongs to none."""
    sentences = []
    for study in _studies_of(run):
        kind = study.kind
        after = "keeps its record of the trial" if kind == "search" else "trains it again when it is resumed"
        sentences.append(f"The {KIND_NAMES[kind]} {study.name} loses it, and {after}.")
    return " ".join(sentences)


def delete_study(study: Study) -> Path:
    """Move a study and its runs to the trash and return where they lie now.

    Raises:
        RunError: a process works on it or on one of its runs, or it is not there any more.
        StorageError: something cannot be moved; what has been is in the trash, and comes back from there.
    """
    with action_lock():
        study.check_exists()
        if study.status().is_active:
            raise RunError(f"The study {study.name} is being worked on. Stop it before you delete it.")
        runs = _runs_of(study)
        for run in runs:
            _check_idle(run)
        with _held(study, *runs):
            target = _free(trash_home() / study.name)
            for run in runs:
                _move(run.path, target / "runs" / run.name)
            _move(study.path, target / "studies" / study.name)
            target.touch()
    return target


def list_trash() -> list[Trashed]:
    """Return what is in the trash, the last deleted first."""
    folder = trash_home()
    found = [_trashed(path) for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(found, key=lambda each: (each.deleted, each.name), reverse=True)


def restore(name: str) -> Run | Study:
    """Move a run, or a study with its runs, from the trash back among the others.

    A run whose name has been taken since comes back under another one. A study does not, because its runs are called
    after it.

    Raises:
        RunError: there is none of this name in the trash, or the name of the study or of one of its runs is taken.
        StorageError: it cannot be moved.
    """
    with action_lock():
        for each in list_trash():
            if each.name == name:
                return _restored(each)
    known = ", ".join(each.name for each in list_trash()[:5]) or "it is empty"
    raise RunError(f"There is no run or study {name!r} in the trash ({known}).")


def empty_trash() -> int:
    """Delete for good all that is in the trash, and return how many runs that were.

    Raises:
        StorageError: something cannot be deleted.
    """
    with action_lock():
        found = list_trash()
        for each in found:
            try:
                shutil.rmtree(each.path)
            except OSError as error:
                raise StorageError(f"{each.path} could not be deleted: {error.strerror}.") from error
    return sum(each.runs for each in found)


def _check_idle(run: Run) -> None:
    """Raise :class:`RunError` if the run is gone, or a process works on it or will come to it."""
    run.check_exists()
    if run.is_alive():
        raise RunError(f"The run {run.name} is being worked on. Stop it before you delete it.")
    for study in _studies_of(run):
        if study.status().is_active:
            raise RunError(
                f"The run {run.name} belongs to the study {study.name}, which is being worked on. Stop the study "
                "before you delete it."
            )


def _studies_of(run: Run) -> list[Study]:
    return [study for study in list_studies() if run in _runs_of(study)]


def _runs_of(study: Study) -> list[Run]:
    """Return the runs of a study; none where it is damaged and does not say which they are: they stay, then."""
    try:
        return study.runs()
    except RunError:
        return []


def _trashed(path: Path) -> Trashed:
    inner = [path / "runs", path / "studies"]
    is_study = any(each.is_dir() for each in inner)
    runs = len(_children(path / "runs")) if is_study else 1
    return Trashed(path, path.stat().st_mtime, _size(path), is_study, runs)


def _restored(each: Trashed) -> Run | Study:
    if not each.is_study:
        target = _free(runs_home() / each.name)
        _move(each.path, target)
        return Run(target)
    moves = [(path, runs_home() / path.name) for path in _children(each.path / "runs")]
    moves += [(path, studies_home() / path.name) for path in _children(each.path / "studies")]
    _check_free([target for _, target in moves])
    for path, target in moves:
        _move(path, target)
    shutil.rmtree(each.path)
    return Study(moves[-1][1])  # the study comes last: as long as it is in the trash, its runs are found there too


def _check_free(targets: Sequence[Path]) -> None:
    taken = [target for target in targets if target.exists()]
    if taken:
        raise RunError(
            f"{taken[0]} is there again, and a study comes back under its own names only. Delete that one or move it "
            "away first."
        )


@contextmanager
def _held(*folders: WorkFolder) -> Iterator[None]:
    """Hold the locks of folders: they also exclude a process that has started and has not recorded itself yet."""
    with ExitStack() as held:
        for each in folders:
            held.callback(each.lock().release)
        if not portable.moves_open_files():
            held.close()  # nobody held them just now, and the action lock keeps others from starting anything
        yield


def _free(path: Path) -> Path:
    """Return `path`, or the first of its numbered brothers that is not taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def _move(path: Path, target: Path) -> None:
    try:
        make_folder(target.parent)
        shutil.move(path, target)
    except OSError as error:
        raise StorageError(f"{path} could not be moved to {target}: {error.strerror or error}.") from error


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
