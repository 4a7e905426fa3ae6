"""One at a time: what starts, deletes or brings back runs and jobs, so that two people may press a button at once.

Each of these looks first (does a process work on it? is it still there?) and acts then. Between the two nobody else may
act, in this process or in another.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from core.errors import RunError, StorageError
from core.storage.home import home

PATIENCE_SECONDS = 30.0
"""Starting takes milliseconds, deleting as well unless the trash lies on another disk."""


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold a lock for the body that any death of this process frees. The body must not ask for it again.

    Raises:
        RunError: another one has it for too long.
        StorageError: it cannot be made.
    """
    path = home() / "locks" / "actions.lock"
    lock = FileLock(path)
    try:
        lock.acquire(timeout=PATIENCE_SECONDS)
    except Timeout as error:
        raise RunError(
            f"Something else has been started, deleted or brought back for {PATIENCE_SECONDS:.0f} seconds and is not "
            "done. Try again when it is."
        ) from error
    except OSError as error:
        raise StorageError(f"The lock {path} cannot be made: {error.strerror}. Free some space, or look who may write "
                           "there.") from error  # fmt: skip
    try:
        yield
    finally:
        lock.release()
