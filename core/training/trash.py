"""Deleting runs, so that they can be taken back: their folder moves to the trash."""

import shutil
from pathlib import Path

from core.errors import RunError, StorageError
from core.home import home
from core.training.run import Run


def trash_home() -> Path:
    """Return the folder that deleted runs are moved to; it is never emptied by Nodescope."""
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
        target = _free(trash_home() / run.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(run.path, target)
    except OSError as error:
        raise StorageError(f"The run {run.name} could not be moved to {trash_home()}: {error.strerror}.") from error
    finally:
        lock.release()
    return target


def _free(path: Path) -> Path:
    """Return `path`, or the first of its numbered brothers that is not taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
