"""A pack: the patches of a folder as one memory map, made once and read from then on.

A data set's pack lies at ``packs/<name>-<digest of its path>/`` under :func:`core.storage.home.home`. ``about.json``
says what was packed and is written last: without it there is no pack. ``patches-*.npy`` holds uint8 N×96×96×3,
``journal-*.jsonl`` a line for each chunk that is written, so that packing goes on where it was killed. Both have the
digest of the folder's files in their name, so that a folder that changed starts another pack. ``table.npz`` belongs to
:mod:`core.data.pack_table`.
"""

import hashlib
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.data.dataset import Dataset
from core.data.layouts import Place, place_of
from core.data.pack_blocks import (
    VERSION,
    DamagedPackError,
    Pack,
    allocate,
    checksums_of,
    open_store,
    pack_folder,
    read_about,
    stored_checksums,
    verify_pack,
)
from core.data.pack_table import drop_table, load_table, save_table
from core.data.pack_workers import Written, pack_chunks
from core.data.store import PATCH_BYTES, notes_by_row, rows_by_note
from core.errors import DataError, StorageError
from core.progress import Progress, no_progress
from core.storage import atomic, portable
from core.storage.home import make_folder

CHUNK = 512
"""Patches that are written and noted together: 14 MB."""


def made_stamp(source: str) -> tuple[int, ...]:
    """Return a stamp that changes when any process makes or removes the pack, the check or choices of a data set."""
    paths = (pack_folder(source) / name for name in ("about.json", "check.npz", "choices.json"))
    try:
        return tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in paths)
    except PermissionError:  # opening the data set says so in a sentence
        return ()


def find_pack(dataset: Dataset) -> Pack | None:
    """Return the pack of a data set that was opened just now, or None if there is none of its files as they are.

    Raises:
        DataError: ``about.json`` is damaged.
    """
    about = read_about(dataset.source)
    return None if about is None else _pack_of(dataset.source, about, _key(dataset))


def _pack_of(source: str, about: dict[str, Any], key: str) -> Pack | None:
    if (about["version"], about["key"]) != (VERSION, key):
        return None
    path = pack_folder(source) / about["patches"]
    if not path.is_file():
        return None
    unreadable = {int(row): reason for row, reason in about["unreadable"].items()}
    if about.get("notes") is None and unreadable:  # of an earlier version, which read fewer kinds of files
        return None
    notes = None if about.get("notes") is None else notes_by_row(about["notes"])
    return Pack(path, about["count"], unreadable, about["seconds"], source, stored_checksums(about, source), notes)


def open_packed(place: Place) -> Dataset | None:
    """Open a packed data set by its quick stamp, or return None if it has no pack or has changed.

    Raises:
        DataError: what lies beside the pack is damaged, or the folder cannot be read.
    """
    source = place.source
    about = read_about(source)
    if about is None:
        return None
    stamp = place.quick_stamp()
    stored = load_table(pack_folder(source), stamp)
    pack = None if stored is None else _pack_of(source, about, stored.key)
    if stored is None or pack is None:
        return None
    return place.as_dataset(stored.table, open_store(pack), stored.problems, files=stored.files, quick_stamp=stamp)


def settle(dataset: Dataset) -> Pack | None:
    """Return the pack of a data set that was read from its files just now, or None, and update its stored table.

    From then on the quick stamp is enough to open the data set; where the files are no longer those of the pack, the
    stored table is deleted, so that it is not.

    Raises:
        DataError: ``about.json`` is damaged.
        StorageError: the table could not be stored or deleted.
    """
    folder, pack = pack_folder(dataset.source), find_pack(dataset)
    try:
        if pack is None:
            drop_table(folder)
        else:
            save_table(folder, dataset, _key(dataset))
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return pack


def is_stale(dataset: Dataset) -> bool:
    """Whether there is a pack, but of other files than there are now."""
    return read_about(dataset.source) is not None and find_pack(dataset) is None


def make_pack(dataset: Dataset, *, workers: int = 1, progress: Progress = no_progress) -> Pack:
    """Pack a data set and check what was written; an attempt that was killed or cancelled is continued.

    A pack that is there already is verified, and made anew if it is damaged.

    Args:
        dataset: as :func:`core.data.open_dataset` opens it with ``raw=True``.
        workers: processes that read; 1 reads in this one.
        progress: receives the finished share; work that it ends by raising is continued the next time.

    Raises:
        DataError: the data set needs no pack, or what was read back differs from what was written.
        StorageError: there is too little space, another process packs, or writing failed.
    """
    if dataset.kind in ("demo", "joined") or not dataset.files:
        raise DataError(f"{dataset.name} is no folder of patches, so there is nothing to pack.")
    done = _whole(dataset)
    if done is not None:
        return done
    folder = pack_folder(dataset.source)
    try:
        make_folder(folder)
        with FileLock(folder / "pack.lock", timeout=0):
            return _make(dataset, folder, workers, progress)
    except Timeout as error:
        raise StorageError(f"{dataset.name} is being packed by another process; wait for it or cancel it.") from error
    except OSError as error:
        raise StorageError(f"The pack could not be written to {folder}: {error.strerror or error}.") from error


def _whole(dataset: Dataset) -> Pack | None:
    """Return the pack that is there, if it is undamaged; a damaged one is deleted."""
    with suppress(DamagedPackError):
        done = settle(dataset)
        if done is not None:
            verify_pack(done)
        return done
    remove_pack(dataset.source)  # out of the handling of the error, which holds the damaged file open
    return None


def remove_pack(source: str) -> None:
    """Delete the pack of a data set, finished or not. Raises :class:`StorageError`."""
    try:
        for pattern in ("about.json", "table.npz", "patches-*.npy", "journal-*.jsonl"):
            for path in pack_folder(source).glob(pattern):
                portable.remove(path)  # a page may have it mapped
    except OSError as error:
        raise StorageError(f"The pack of {source} cannot be deleted: {error.strerror}.") from error


def _make(dataset: Dataset, folder: Path, workers: int, progress: Progress) -> Pack:
    started, key, count = time.monotonic(), _key(dataset), len(dataset)
    path, journal = folder / f"patches-{key}.npy", folder / f"journal-{key}.jsonl"
    _forget_others(folder, key)
    offset = allocate(path, count)
    written = {each.start: each for each in _read_journal(journal)}
    # The journal may be ahead of the disk after a power failure, so each of its chunks is read and compared.
    # One without notes is of an earlier version, which read fewer kinds of files.
    written = {
        start: each for start, each in written.items() if each.notes is not None and _is_whole(path, offset, each)
    }
    missing = [(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK) if start not in written]
    with journal.open("a", encoding="utf-8", newline="\n") as notes:
        for each in pack_chunks(dataset.store, path, offset, missing, workers=workers):
            written[each.start] = each
            notes.write(each.to_line())
            notes.flush()  # a process that is killed loses nothing that is flushed
            progress(0.98 * len(written) / -(-count // CHUNK))
    _verify(path, offset, written)
    checksums = checksums_of(path, offset, count)
    if _key(dataset, fresh=True) != key:
        raise DataError(f"{dataset.source} was changed while it was packed. Pack it again.")
    unreadable = {str(row): why for each in written.values() for row, why in each.unreadable.items()}
    about = {
        "version": VERSION,
        "source": dataset.source,
        "key": key,
        "patches": path.name,
        "count": count,
        "notes": rows_by_note({row: said for each in written.values() for row, said in (each.notes or {}).items()}),
        "unreadable": dict(sorted(unreadable.items(), key=lambda item: int(item[0]))),
        "seconds": round(time.monotonic() - started, 2),
        "time": time.time(),
        "checksums": "".join(f"{each:08x}" for each in checksums),
    }
    atomic.write_json(folder / "about.json", about)
    journal.unlink()
    progress(1.0)
    found = settle(dataset)
    if found is None:
        raise DataError(f"The pack {path} was removed while it was made. Pack again.")
    return found


def _key(dataset: Dataset, *, fresh: bool = False) -> str:
    """Return what identifies a pack: the files, as they were when opened or are now (`fresh`), and the rows' order."""
    files = dataset.files
    if fresh:
        files = place_of(dataset.source).files_digest()
    ids = "\n".join(dataset.table["id"].to_list())
    return hashlib.sha256(f"{VERSION} {files} {len(dataset)} {ids}".encode()).hexdigest()[:16]


def _forget_others(folder: Path, key: str) -> None:
    """Delete packs of the folder as it was before: they only take space."""
    (folder / "about.json").unlink(missing_ok=True)
    drop_table(folder)
    for path in (*folder.glob("patches-*.npy"), *folder.glob("journal-*.jsonl")):
        if path.stem.partition("-")[2] != key:
            portable.remove(path)


def _read_journal(journal: Path) -> list[Written]:
    try:
        lines = journal.read_text("utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return []
    whole = [line for line in lines if line.endswith("\n")]
    if len(whole) != len(lines):  # a line was cut off by a kill; the next one must not be joined to it
        atomic.write_text(journal, "".join(whole))
    return [Written.from_line(line) for line in whole]


def _is_whole(path: Path, offset: int, written: Written) -> bool:
    size = (written.stop - written.start) * PATCH_BYTES
    with path.open("rb") as file:
        file.seek(offset + written.start * PATCH_BYTES)
        return zlib.crc32(file.read(size)) == written.checksum


def _verify(path: Path, offset: int, written: dict[int, Written]) -> None:
    portable.sync(path)
    wrong = [each.start for each in written.values() if not _is_whole(path, offset, each)]
    if wrong:
        raise DataError(
            f"{path.name} does not hold what was written at patch {wrong[0]} (and {len(wrong) - 1} other places). "
            "Check the disk and pack again."
        )
