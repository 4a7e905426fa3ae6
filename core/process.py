"""Which process it is: an identity that outlasts steps of the clock, and the place where a process lives."""

import multiprocessing
import os
import platform
from pathlib import Path

import psutil

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
