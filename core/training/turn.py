"""One run at a time on a device: the others wait as "queued".

The lock is the operating system's and held by the process that trains, so that any death of it lets the next one in.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core import atomic
from core.device import resolve_device
from core.errors import StorageError
from core.home import home
from core.training.run import Run

LOOK_SECONDS = 0.2
"""How often a waiting run looks whether the device is free or it was asked to stop."""

SAY_SECONDS = 2.0
"""How often it says that it still waits."""

WORDS = {"cpu": "CPU", "cuda": "GPU"}


def locks_home() -> Path:
    """Return the folder of the locks, one for each device."""
    return home() / "locks"


@contextmanager
def turn(
    run: Run, device: str, *, wait: Callable[[str], None], give_up: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Hold the device for the body; wait for it before.

    Args:
        run: who wants it.
        device: "auto", "cpu" or "cuda".
        wait: told every few seconds, in words, whom the run waits for.
        give_up: called at every look; it raises to stop waiting.

    Raises:
        DeviceError: there is no such device.
        StorageError: the lock cannot be made.
    """
    kind = resolve_device(device).type
    lock = _lock(kind)
    said = 0.0
    while not _is_taken(lock):
        give_up()
        if time.monotonic() - said > SAY_SECONDS:
            said = time.monotonic()
            wait(f"Waiting for the {WORDS[kind]}{_holder(kind)}")
        time.sleep(LOOK_SECONDS)
    try:
        atomic.write_text(_holder_path(kind), run.name)
        yield
    finally:
        lock.release()


def _lock(kind: str) -> FileLock:
    try:
        locks_home().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"The folder {locks_home()} cannot be made: {error.strerror}.") from error
    return FileLock(locks_home() / f"{kind}.lock")


def _is_taken(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _holder_path(kind: str) -> Path:
    return locks_home() / f"{kind}.txt"


def _holder(kind: str) -> str:
    """Return whom the device works for, in words; empty where that is not written down."""
    try:
        name = _holder_path(kind).read_text("utf-8").strip()
    except FileNotFoundError:
        return ""
    return f", where {name} is at work" if name else ""
