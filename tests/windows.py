"""Windows as far as it refuses what Linux allows: what is open, folders that are synced, processes in groups.

Nothing of it runs on Windows; there the system refuses by itself.
"""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from core.storage import portable

POSIX_ONLY = frozenset({
    "killpg", "getpgid", "getsid", "setsid", "fork", "getuid", "geteuid", "posix_fallocate", "sched_getaffinity",
    "O_NONBLOCK", "O_DIRECTORY", "statvfs", "mkfifo", "uname",
})  # fmt: skip

LIBRARIES = {"filelock", "_pytest", "tempfile"}


class _Os:
    """The module os without what Windows lacks."""

    def __getattr__(self, name: str) -> Any:
        if name in POSIX_ONLY:
            raise AttributeError(f"module 'os' has no attribute {name!r}")
        return getattr(os, name)


def behave_as_windows(patch: pytest.MonkeyPatch) -> None:
    """Let this process behave so until the patch is undone; processes that it starts behave as ever."""
    import fcntl

    patch.setattr(portable, "WINDOWS", True)
    patch.setattr(portable, "PATIENCE_SECONDS", 0.3)
    patch.setattr(portable, "os", _Os())
    patch.setattr(portable, "signal", SimpleNamespace())
    patch.setitem(sys.modules, "fcntl", None)
    fsync, open_ = os.fsync, os.open

    def synced(handle: int) -> None:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        fsync(handle)

    def opened(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if named.get("dir_fd") is None and os.path.isdir(path):
            raise _denied(path)
        return open_(path, flags, *rest, **named)

    patch.setattr(os, "fsync", synced)
    patch.setattr(os, "open", _but_for(LIBRARIES | {"shutil"}, opened, open_))
    for name in ("replace", "rename", "unlink", "remove"):
        patch.setattr(os, name, _refusing(getattr(os, name), may_replace=name == "replace"))
    patch.setattr(subprocess, "Popen", _Popen)


class _Popen(subprocess.Popen):  # type: ignore[type-arg]
    def __init__(self, *arguments: Any, creationflags: int = 0, start_new_session: bool = False, **named: Any):
        assert not start_new_session, "Windows knows no sessions"
        super().__init__(*arguments, **named, start_new_session=bool(creationflags & 0x200))


def _refusing(act: Callable[..., None], *, may_replace: bool) -> Callable[..., None]:
    @wraps(act)
    def refuse(path: Any, *rest: Any, **named: Any) -> None:
        if named.get("dir_fd") is None:  # with one, shutil.rmtree deletes what it has listed
            target = rest[0] if rest else None
            if target is not None and os.path.lexists(target) and not may_replace:
                raise FileExistsError(errno.EEXIST, "Cannot create a file when that file already exists", str(target))
            if any(each is not None and (_is_open(each) or (each is target and os.path.isdir(each)))
                   for each in (path, target)):  # fmt: skip
                raise _denied(path)
        act(path, *rest, **named)

    return _but_for(LIBRARIES, refuse, act)


def _but_for(libraries: set[str], act: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `act`, but the original for libraries that do otherwise on Windows."""

    @wraps(act)
    def choose(*arguments: Any, **named: Any) -> Any:
        frame, room = sys._getframe(1), ""
        while frame is not None and room not in libraries | {"core", "pages", "tests"}:
            room = frame.f_globals.get("__name__", "").partition(".")[0]
            frame = frame.f_back  # type: ignore[assignment]
        return (original if room in libraries else act)(*arguments, **named)

    return choose


def _denied(path: Any) -> PermissionError:
    return PermissionError(errno.EACCES, "Access is denied", str(path))


def _is_open(path: Any) -> bool:
    """Whether this process or one that it started has a file open or mapped, or a file of a folder."""
    if not isinstance(path, (str, os.PathLike)):
        return False
    wanted = os.path.realpath(path)
    below = wanted + os.sep
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            held = [os.readlink(each) for each in Path(f"/proc/{process.pid}/fd").iterdir() if each.is_symlink()]
            held += [line.split(maxsplit=5)[-1] for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines()]
        except OSError:
            continue
        if any(each.strip() == wanted or each.startswith(below) for each in held):
            return True
    return False
