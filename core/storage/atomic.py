"""Files that are either whole or not there: temporary file, fsync, rename.

A process that is killed at any moment leaves the old file or the new one, never a part of one. A reader needs no lock.
"""

import glob
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from core.errors import StorageError
from core.storage import portable
from core.storage.home import make_folder


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success put it durably in the place of `path`.

    If the body raises, the temporary file is removed and `path` stays as it was.

    Raises:
        StorageError: the file could not be written (no space, no permission, no such folder).
    """
    # In the same folder, because a rename is atomic within one file system only. Process id and random text keep two
    # writers of one file apart.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        make_folder(path.parent)
        # Before the writing, because on a full disk what a killed writer left may be what takes the space.
        sweep(path.parent, of=path.name)
        yield temporary
        # The content before the name: after a power cut the name must not point to a file that is still empty.
        portable.sync(temporary)
        portable.replace(temporary, path)
        # The rename is a change of the folder, and lasts once that is on the disk too.
        portable.sync(path.parent)
    except OSError as error:
        may_be_open = portable.WINDOWS and isinstance(error, PermissionError) and path.exists()
        remedy = "Close the program that has it open" if may_be_open else "Free some space or choose another folder"
        raise StorageError(
            f"{path.name} could not be written to {path.parent}: {error.strerror or error}. "
            f"{remedy}; what was there before is unchanged."
        ) from error
    finally:
        with suppress(OSError):  # where the folder is none, there is nothing to remove, and the first error counts
            temporary.unlink(missing_ok=True)


SWEPT_AFTER = 60.0
"""Seconds after which a temporary file whose writer is gone is deleted; writing one takes less."""

_TEMPORARY = re.compile(r"\..+\.(\d+)-[0-9a-f]{8}\.tmp")


def sweep(folder: Path, *, of: str | None = None) -> None:
    """Delete the temporary files that killed writers left in a folder, of one file or of all.

    A checkpoint that was half written may be gigabytes. A living process of this number keeps its file.
    """
    for path in folder.glob(".*.tmp" if of is None else f".{glob.escape(of)}.*.tmp"):
        named = _TEMPORARY.fullmatch(path.name)
        with suppress(OSError):  # gone since, or somebody else's
            if named and time.time() - path.stat().st_mtime > SWEPT_AFTER and not psutil.pid_exists(int(named[1])):
                path.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` atomically. Raises :class:`StorageError`."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` (UTF-8, line ends as given) atomically. Raises :class:`StorageError`."""
    # As bytes, because a file opened as text would turn line ends into those of the system.
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as indented JSON, atomically. NaN is refused, because JSON has none."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
