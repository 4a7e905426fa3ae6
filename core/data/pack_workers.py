"""Reading patches and writing them into a pack, in one process or several.

Processes and not threads: decoding a small TIFF is mostly work of Python, so that threads would wait for each other.
"""

import json
import multiprocessing
import threading
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.data.store import PatchStore
from core.errors import StorageError
from core.process import end_with_parent
from core.storage import portable


@dataclass(frozen=True)
class Written:
    """A chunk of a pack.

    Attributes:
        start: its first row.
        stop: the row after its last.
        checksum: CRC-32 of its bytes before they were written.
        unreadable: row -> why the patch there is only white.
        notes: row -> what was done to the picture; None in a line of an earlier version.
    """

    start: int
    stop: int
    checksum: int
    unreadable: dict[int, str]
    notes: dict[int, tuple[str, ...]] | None = None

    def to_line(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"

    @classmethod
    def from_line(cls, line: str) -> "Written":
        """Return the chunk that :meth:`to_line` made the line of."""
        found: dict[str, Any] = json.loads(line)
        unreadable = {int(row): why for row, why in found.pop("unreadable").items()}
        notes = found.pop("notes", None)
        known = None if notes is None else {int(row): tuple(said) for row, said in notes.items()}
        return cls(**found, unreadable=unreadable, notes=known)


def available_workers() -> int:
    """Return how many processes are worth starting here: a core each, at most 8."""
    return min(8, portable.cores())


def pack_chunks(
    store: PatchStore, path: Path, offset: int, chunks: Sequence[tuple[int, int]], *, workers: int
) -> Iterator[Written]:
    """Read chunks of a store, write them to their place in a file, and yield each once it is written.

    Args:
        store: where the patches come from.
        path: a file of the full size.
        offset: bytes in it before the first patch.
        chunks: first row and row after the last.
        workers: processes; 1 is this one.

    Raises:
        StorageError: a process was killed.
    """
    if workers <= 1 or len(chunks) <= 1:
        for start, stop in chunks:
            yield _write(store, path, offset, start, stop)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of other threads
    pool = ProcessPoolExecutor(
        min(workers, len(chunks)), mp_context=context, initializer=_begin, initargs=(store, path, offset)
    )
    try:
        waiting: set[Future[Written]] = {pool.submit(_work, *chunk) for chunk in chunks}
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
    except BrokenProcessPool as error:
        raise StorageError("A process that read patches was killed, perhaps for memory. Pack again: it goes on.") from (
            error
        )
    finally:
        pool.shutdown(cancel_futures=True)


_given: dict[str, Any] = {}


def _begin(store: PatchStore, path: Path, offset: int) -> None:
    _given.update(store=store, path=path, offset=offset)
    threading.Thread(target=end_with_parent, daemon=True).start()


def _work(start: int, stop: int) -> Written:
    return _write(_given["store"], _given["path"], _given["offset"], start, stop)


def _write(store: PatchStore, path: Path, offset: int, start: int, stop: int) -> Written:
    loaded = store.load(np.arange(start, stop))
    data = np.ascontiguousarray(loaded.pixels).tobytes()
    with path.open("r+b") as file:
        file.seek(offset + start * (len(data) // (stop - start)))
        file.write(data)
    unreadable = {start + at: why for at, why in loaded.unreadable.items()}
    notes = {start + at: said for at, said in loaded.notes.items()}
    return Written(start, stop, zlib.crc32(data), unreadable, notes)
