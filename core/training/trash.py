"""Deleting runs, so that they can be taken back: their folder moves to the trash until somebody empties it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from core.errors import RunError, StorageError
from core.home import home, runs_home
from core.training.run import Run


@dataclass(frozen=True)
class Trashed:
    """A run in the trash.

    Attributes:
        path: its folder.
        deleted: seconds since 1970 at which it came there.
        size: bytes of all its files.
    """

    path: Path
    deleted: float
    size: int

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name


def trash_home() -> Path:
    """Return the folder that deleted runs are moved to."""
    return home() / "trash"


def delete(run: Run) -> Path:
    """Move a run to the trash and return where it lies now.

    Raises:
        RunError: a process works on it.
        StorageError: it cannot be moved.
    """
    if run.is_alive():
        raise RunError(f"The run {run.name} is being worked on. Stop it before you delete it.")
    lock = run.lock()
    try:
        target = _moved(run.path, trash_home())
        target.touch()  # its time is from now on that of the deletion
    finally:
        lock.release()
    return target


def list_trash() -> list[Trashed]:
    """Return what is in the trash, the last deleted first."""
    folder = trash_home()
    if not folder.is_dir():
        return []
    found = [Trashed(path, path.stat().st_mtime, _size(path)) for path in folder.iterdir() if path.is_dir()]
    return sorted(found, key=lambda each: (each.deleted, each.name), reverse=True)


def restore(name: str) -> Run:
    """Move a run from the trash back among the others.

    Raises:
        RunError: there is none of this name in the trash.
        StorageError: it cannot be moved.
    """
    for each in list_trash():
        if each.name == name:
            return Run(_moved(each.path, runs_home()))
    known = ", ".join(each.name for each in list_trash()[:5]) or "it is empty"
    raise RunError(f"There is no run {name!r} in the trash ({known}).")


def empty_trash() -> int:
    """Delete for good all that is in the trash, and return how many runs that were.

    Raises:
        StorageError: something cannot be deleted.
    """
    found = list_trash()
    for each in found:
        try:
            shutil.rmtree(each.path)
        except OSError as error:
            raise StorageError(f"{each.path} could not be deleted: {error.strerror}.") from error
    return len(found)


def _moved(path: Path, folder: Path) -> Path:
    """Move `path` into `folder`, under its own name or the first of its numbered brothers that is not taken."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number, target = 1, folder / path.name
        while target.exists():
            number += 1
            target = folder / f"{path.name}-{number}"
        shutil.move(path, target)
    except OSError as error:
        raise StorageError(f"The run {path.name} could not be moved to {folder}: {error.strerror}.") from error
    return target


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
