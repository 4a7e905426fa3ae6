"""Which process it is: an identity that outlasts steps of the clock, and the place where a process lives."""

import multiprocessing
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from core.storage.record import Record

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def identity(pid: int) -> str | None:
    """Return a text that only this process has, of all that ever had the number `pid` here; None if it has ended.

    On Linux, psutil's start time is the boot time plus ticks, and the boot time moves when the clock is set. The ticks
    themselves and the kernel's random number of the boot do not move. Elsewhere the kernel keeps the start time.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None  # it has ended; it only waits until its parent takes note of that
        if not _BOOT.is_file():
            return f"{process.create_time():.6f}"
        # The name of the program, in brackets before the other fields, may itself hold blanks and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
        return f"{_boot()}:{fields[19]}"  # starttime, the 22nd field of proc(5); two stand before the bracket
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def place() -> dict[str, str]:
    """Return where this process lives: computer, boot and namespace of process numbers.

    A number means the same process only in the same place: another computer, or a container, has its own.
    """
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return {"host": platform.node(), "boot": _boot(), "namespace": namespace}


def _boot() -> str:
    return _BOOT.read_text("ascii").strip() if _BOOT.is_file() else ""


def end_with_parent() -> None:
    """Wait for the end of the process that started this one by multiprocessing, and end at once: for a thread."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # nobody is left to take note of what this process writes


@dataclass(frozen=True)
class ProcessRecord(Record):
    """Which process works on something, and where: the content of ``process.json``.

    Attributes:
        pid: its number.
        created: seconds since 1970 of its start, by which earlier versions know it.
        identity: see :func:`identity`; empty in files of earlier versions, as are the following.
        host: see :func:`place`.
        boot: likewise.
        namespace: likewise.
    """

    pid: int
    created: float
    identity: str = ""
    host: str = ""
    boot: str = ""
    namespace: str = ""

    @property
    def is_elsewhere(self) -> bool:
        """Whether it lives on another computer or in another container, where its number means another process."""
        here = place()
        if not self.identity or (self.host == here["host"] and self.boot != here["boot"]):
            return False  # not known, or this computer before it was started anew
        return (self.host, self.boot, self.namespace) != (here["host"], here["boot"], here["namespace"])

    @classmethod
    def of(cls, pid: int) -> Self:
        """Return the record of a process of this computer. Raises :class:`psutil.NoSuchProcess` if it has ended."""
        found = identity(pid)
        if found is None:
            raise psutil.NoSuchProcess(pid)
        return cls(pid, psutil.Process(pid).create_time(), found, **place())

    def process(self) -> psutil.Process | None:
        """Return the process, or None if it has ended or is elsewhere; a later one with its number does not count."""
        if self.is_elsewhere:
            return None
        try:
            process, found = psutil.Process(self.pid), identity(self.pid)
            # The system rounds the start time differently from call to call.
            same = found == self.identity if self.identity else abs(process.create_time() - self.created) < 1.0
        except (psutil.NoSuchProcess, ValueError, OverflowError):
            return None
        return process if found is not None and same else None

    def has_ended(self) -> bool:
        """Whether it is known to have ended: of one that is elsewhere, nobody can tell from here."""
        return not self.is_elsewhere and self.process() is None
