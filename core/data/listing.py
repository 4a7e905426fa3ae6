"""Whether files have changed: a digest over every file, and a quick stamp of their folders."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from core.errors import DataError

DECODER = 2
"""Raise it when an image that is no TIFF gives other pixels: what was made of such files then counts as none.

The first stored PNG files as they lie, without the orientation and the transparency that they tell of."""

_ALWAYS_ALIKE = (".tif", ".tiff", ".h5")


def digest_of(folder: Path, names: Iterable[str]) -> str:
    """Return 16 hex digits that stand for the names, sizes and times of change of files, and for how they are decoded.

    Args:
        folder: where they lie; its own name and place do not count.
        names: of files in it, or of folders whose files count; those that are not there count as missing.

    Raises:
        DataError: a folder cannot be read.
    """
    digest, alike = hashlib.sha256(), True
    for name in names:
        path = folder / name
        try:
            for line in sorted(_lines(path)):
                digest.update(f"{name}/{line}\n".encode("utf-8", "surrogateescape"))
                alike = alike and line.rsplit(" ", 2)[0].lower().endswith(_ALWAYS_ALIKE)
        except OSError as error:
            raise DataError.unreadable(path, error) from error
    if not alike:
        digest.update(f"decoder {DECODER}\n".encode())
    return digest.hexdigest()[:16]


def quick_stamp_of(folder: Path, *, tracked: Iterable[str], read: Iterable[str]) -> str:
    """Return 16 hex digits that stand for a data set, without reading the state of every file.

    They change when a file is added to a folder, removed or renamed, and when one of `read` is edited. They do not
    change when a file in a folder is rewritten in place: only :func:`digest_of` shows that, in seconds for 100,000
    files.

    Args:
        folder: where they lie.
        tracked: names in it: of folders, whose number of entries and times of last change count, or of single files,
            whose sizes and times do. Both times of the system count: `mtime`, which copying tools set back, and
            `ctime`, which nothing sets.
        read: names of files in it whose content counts.

    Raises:
        DataError: something cannot be read.
    """
    digest = hashlib.sha256()
    for name in (*tracked, *read):
        path = folder / name
        digest.update(f"{name}\n".encode())
        try:
            if not path.exists():
                continue
            if name in read:
                digest.update(hashlib.sha256(path.read_bytes()).digest())
            else:
                stat = path.stat()
                size = len(os.listdir(path)) if path.is_dir() else stat.st_size
                digest.update(f"{size} {stat.st_mtime_ns} {stat.st_ctime_ns}\n".encode())
        except OSError as error:
            raise DataError.unreadable(path, error) from error
    return digest.hexdigest()[:16]


def _lines(path: Path) -> list[str]:
    if not path.is_dir():
        return [_line(path.name, path.stat())] if path.exists() else []
    with os.scandir(path) as entries:
        return [line for entry in entries if (line := _line_of(entry))]


def _line_of(entry: "os.DirEntry[str]") -> str:
    """Return the line of a file, or "" of what is none: one bad link must not stand for the whole folder."""
    try:
        return _line(entry.name, entry.stat(follow_symlinks=True)) if entry.is_file() else ""
    except OSError:
        return ""


def _line(name: str, stat: os.stat_result) -> str:
    return f"{name} {stat.st_size} {stat.st_mtime_ns}"
