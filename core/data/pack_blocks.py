"""What a pack is: its ``about.json``, and its patches, compared with the CRC-32 that this keeps of each block."""

import hashlib
import math
import random
import shlex
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.data.store import PATCH_BYTES, PATCH_SIZE, PackedStore
from core.errors import DataError, StorageError
from core.progress import Progress, no_progress
from core.storage import atomic, portable
from core.storage.home import OWN_HOME, home
from core.storage.record import typed
from core.storage.schema import parse

VERSION = 1
BLOCK = 64
"""Patches with a CRC-32 of their own in ``about.json``: 1.8 MB, which is read and compared in a millisecond."""

SAMPLE = 5
"""Blocks compared at each opening: the first, the last, and random ones."""

SAMPLE_SECONDS = 0.015
"""After which no further random block is begun."""

SPARE = 64 * 2**20
"""Bytes that must stay free on the disk."""


def pack_folder(source: str) -> Path:
    """Return the folder for what belongs to a data set: its pack, its check, its map, the decisions, the choices."""
    name = "".join(letter if letter.isalnum() else "-" for letter in Path(source).name)[:40]
    return home() / "packs" / f"{name}-{hashlib.sha256(source.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Pack:
    """A finished pack.

    Attributes:
        path: of its patches.
        count: patches in it.
        unreadable: row -> why the patch there is only white.
        seconds: that the last attempt took.
        source: the folder that was packed.
        checksums: CRC-32 of each `BLOCK` patches; None of a pack of an earlier version, which cannot be verified.
        notes: row -> what was done to the picture, as Predict says it; None in a pack of an earlier version, which
            did not keep them.
    """

    path: Path
    count: int
    unreadable: dict[int, str]
    seconds: float
    source: str
    checksums: tuple[int, ...] | None
    notes: dict[int, tuple[str, ...]] | None = None


def stored_checksums(about: dict[str, Any], source: str) -> tuple[int, ...] | None:
    """Return the checksums in ``about.json``, or None of an earlier version. Raises :class:`DamagedPackError`."""
    text = about.get("checksums")
    if text is None:
        return None
    try:
        found = tuple(int(text[at : at + 8], 16) for at in range(0, len(text), 8))
    except (TypeError, ValueError):
        found = ()
    if len(found) != -(-about["count"] // BLOCK):
        raise damaged(source, "the checksums in about.json are not those of its patches")
    return found


class DamagedPackError(DataError):
    """A pack is not as it was written; to pack again replaces it."""


def damaged(source: str, why: str) -> DamagedPackError:
    """Return the error that says what is wrong with the pack of a folder, and what to do."""
    return DamagedPackError(
        f"The pack of {source} is damaged: {why}. Nothing is read from it. Pack the folder again: python -m core pack "
        f"{shlex.quote(source)}"
    )


def open_store(pack: Pack) -> PackedStore:
    """Return the patches of a pack as a store, once a sample of them has been compared with its checksums.

    Raises:
        DataError: they are damaged or may not be read.
    """
    patches = _mapped(pack)
    last = -(-pack.count // BLOCK) - 1
    ends = [at for at in (0, last) if at >= 0]
    begun = time.monotonic()
    for number, block in enumerate([*ends, *random.sample(range(last + 1), min(SAMPLE - 2, last + 1))]):
        if number >= len(ends) and time.monotonic() - begun > SAMPLE_SECONDS:
            break
        _compare(pack, patches, block)
    return PackedStore(np.asarray(patches), pack.unreadable, pack.notes)


def verify_pack(pack: Pack, *, progress: Progress = no_progress) -> bool:
    """Compare all patches of a pack with its checksums; return False if it has none, being of an earlier version.

    Raises:
        DataError: they are damaged or may not be read.
    """
    patches = _mapped(pack)
    for block in range(0 if pack.checksums is None else len(pack.checksums)):
        _compare(pack, patches, block)
        progress(min(1.0, (block + 1) * BLOCK / pack.count))
    return pack.checksums is not None


def _mapped(pack: Pack) -> np.memmap:
    try:
        patches = np.load(pack.path, mmap_mode="r")
    except PermissionError as error:
        raise DataError.unreadable(pack.path, error, advice=OWN_HOME) from error
    except (OSError, ValueError, EOFError) as error:
        raise damaged(pack.source, f"{pack.path.name} cannot be read ({error})") from error
    expected = (pack.count, PATCH_SIZE, PATCH_SIZE, 3)
    if not isinstance(patches, np.memmap) or (patches.shape, patches.dtype) != (expected, np.uint8):
        raise damaged(pack.source, f"{pack.path.name} does not hold the {pack.count:,} patches that were packed")
    if pack.path.stat().st_size != patches.offset + patches.nbytes:
        raise damaged(pack.source, f"{pack.path.name} is longer than the {pack.count:,} patches that were packed")
    if patches.flags.fnc:
        raise damaged(pack.source, f"the patches in {pack.path.name} are in another order")
    return patches


def _compare(pack: Pack, patches: np.ndarray, block: int) -> None:
    if pack.checksums is None:
        return
    first = block * BLOCK
    chosen = patches[first : first + BLOCK]
    if zlib.crc32(chosen.data) != pack.checksums[block]:
        last = first + len(chosen)
        raise damaged(pack.source, f"patches {first + 1:,} to {last:,} are not those that were packed")


def checksums_of(path: Path, offset: int, count: int) -> list[int]:
    """Return the CRC-32 of each block of a file whose `count` patches begin at byte `offset`."""
    with path.open("rb") as file:
        file.seek(offset)
        return [zlib.crc32(file.read(min(BLOCK, count - at) * PATCH_BYTES)) for at in range(0, count, BLOCK)]


def read_about(source: str) -> dict[str, Any] | None:
    """Return ``about.json`` of the pack of a data set, None where there is none. Raises :class:`DataError`."""
    path = pack_folder(source) / "about.json"
    try:
        found = parse(path.read_text("utf-8"))
        if not isinstance(found, dict):
            raise TypeError(f"it must be an object, got {type(found).__name__}")
        # Another version may have other fields, and is not used.
        if typed(int, found.get("version"), "version") == VERSION:
            for name, kind in _ABOUT.items():
                typed(kind, found.get(name), name)
            if not found["patches"] or Path(found["patches"]).name != found["patches"]:
                raise ValueError(f"{found['patches']!r} is no name of a file beside it")
            if not all(0 <= int(row) < found["count"] for row in found["unreadable"]):
                raise ValueError("a row that could not be read is none of the pack")
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise DataError.unreadable(path, error, advice=OWN_HOME) from error
    except (OSError, ValueError, TypeError) as error:
        raise damaged(source, f"{path} cannot be read ({error})") from error
    return found


_ABOUT = {
    "key": str, "patches": str, "count": int, "unreadable": dict[str, str], "seconds": float,
    "checksums": str | None, "notes": dict[str, tuple[int, ...]] | None,
}  # fmt: skip
"""What ``about.json`` holds; the last two are missing in packs of earlier versions."""


def allocate(path: Path, count: int) -> int:
    """Make the file of a pack in its full size unless it is there; return where in it the patches begin.

    Raises:
        StorageError: the disk has too little room.
    """
    held = portable.taken_space(path) if path.is_file() else 0
    needed, free = count * PATCH_BYTES - held, portable.free_space(path.parent)
    if needed > 0 and free < needed + SPARE:
        raise StorageError(
            f"The pack of {count:,} patches needs {needed / 1e9:.2f} GB more at {path.parent}, and "
            f"{max(0, free - SPARE) / 1e9:.2f} GB are free. Free some space or set NODESCOPE_HOME to another disk."
        )
    shape = (count, PATCH_SIZE, PATCH_SIZE, 3)
    if not _is_allocated(path, shape):
        with atomic.replacing(path) as temporary:
            np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            portable.claim_space(temporary)
    return path.stat().st_size - count * PATCH_BYTES


def _is_allocated(path: Path, shape: tuple[int, ...]) -> bool:
    try:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            begins = np.lib.format.read_array_header_1_0(file)
            size = file.tell() + math.prod(shape)
            return begins == (shape, False, np.dtype(np.uint8)) and path.stat().st_size == size
    except (FileNotFoundError, ValueError):  # of a damaged pack that a page had open when it was to be deleted
        return False
