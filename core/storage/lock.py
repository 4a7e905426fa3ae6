"""One at a time: starting, deleting and restoring runs and jobs, so that two people may click at once.

Each of these checks first (does a process work on it? is it still there?) and acts then. Between the two, no other
process or thread may act.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from core.errors import RunError, StorageError
from core.storage.home import home, make_folder

PATIENCE_SECONDS = 30.0
"""Starting takes milliseconds, deleting as well unless the trash lies on another disk."""


@contextmanager
def action_lock() -> Iterator[None]:
    """Hold the lock during the body; it is free again even if this process is killed. The body must not take it again.

    Raises:
        RunError: another process or thread has held it for too long.
        StorageError: it cannot be made.
    """
    path = home() / "locks" / "actions.lock"
    lock = FileLock(path)
    # Acquired apart from the body, whose own Timeout or OSError must not be taken for one of the lock.
    try:
        make_folder(path.parent)
        lock.acquire(timeout=PATIENCE_SECONDS)
    except Timeout as error:
        raise RunError(
            f"Something else has been started, deleted or restored for {PATIENCE_SECONDS:.0f} seconds and is not "
            "done. Try again when it is."
        ) from error
    except OSError as error:
        raise StorageError(f"The lock {path} cannot be made: {error.strerror}. Free some space, or check who may write "
                           "there.") from error  # fmt: skip
    try:
        yield
    finally:
        lock.release()
