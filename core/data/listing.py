"""What tells that files have changed since: their names, sizes and times of last change."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from core.errors import DataError


def digest_of(folder: Path, parts: Iterable[str]) -> str:
    """Return 16 hex digits that stand for the names, sizes and times of change of files.

    Args:
        folder: where they lie; its own name and place do not count.
        parts: names in it: of files, or of folders whose files count. What is not there counts as that.

    Raises:
        DataError: a folder cannot be read.
    """
    digest = hashlib.sha256()
    for part in parts:
        path = folder / part
        try:
            for line in sorted(_lines(path)):
                digest.update(f"{part}/{line}\n".encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error
    return digest.hexdigest()[:16]


def _lines(path: Path) -> list[str]:
    if not path.is_dir():
        return [_line(path.name, path.stat())] if path.exists() else []
    with os.scandir(path) as entries:
        return [_line(entry.name, entry.stat(follow_symlinks=True)) for entry in entries if entry.is_file()]


def _line(name: str, stat: os.stat_result) -> str:
    return f"{name} {stat.st_size} {stat.st_mtime_ns}"
