"""What predicting has done so far, kept in chunks, so that a cancelled or killed attempt is continued and not repeated.

A folder beside what will be stored (``<data fingerprint>-<part>.partial`` for the predictions of a part, ``chunks`` for
those of a submission) with one ``.npz`` file a chunk of rows, written atomically. Their names hold a key of the rows,
the stamp of the data and the kind of device, so that chunks of other patches are never taken for these. The folder goes
when the predictions are complete.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import StorageError
from core.storage.npz import save_arrays, stored_arrays


@dataclass(frozen=True, eq=False)
class Chunk:
    """Predictions of successive rows.

    Attributes:
        logits: float32 (n,).
        appearance: float32 (n, 5), see :class:`core.prediction.appearance.Appearance`.
        usable: bool (n,), False for patches that cannot be read.
    """

    logits: npt.NDArray[np.float32]
    appearance: npt.NDArray[np.float32]
    usable: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ChunkCache:
    """A folder of chunks.

    Attributes:
        path: the folder; need not exist.
        key: of the rows and what they were read from.
    """

    path: Path
    key: str

    @classmethod
    def of(cls, path: Path, rows: npt.NDArray[np.int64], *, stamp: str, device: str) -> "ChunkCache":
        """Return the place for these rows of the data with this stamp on this kind of device."""
        told = f"{stamp}\n{device}\n".encode() + np.ascontiguousarray(rows, np.int64).tobytes()
        return cls(path, hashlib.sha256(told).hexdigest()[:16])

    def read(self, start: int, length: int) -> Chunk | None:
        """Return the chunk that begins at position `start`, or None if it is not there.

        Raises:
            DataError: its file is damaged.
        """
        found = self.arrays(start, length, ("logits", "looks", "usable"))
        return None if found is None else Chunk(*found)

    def write(self, start: int, chunk: Chunk) -> None:
        """Keep a chunk. Raises :class:`StorageError`."""
        self.keep(start, logits=chunk.logits, looks=chunk.appearance, usable=chunk.usable)

    def arrays(self, start: int, length: int, names: Sequence[str]) -> list[npt.NDArray[Any]] | None:
        """Return the arrays that were kept by these names of the rows from position `start`, or None if there are none.

        Raises:
            DataError: their file is damaged.
        """
        remedy = f"Delete the folder {self.path}, which was kept of a stopped attempt, and start again."
        with stored_arrays(self._file(start), remedy=remedy) as stored:
            found = None if stored is None else [stored[1][name] for name in names]
        return found if found is not None and len(found[0]) == length else None

    def keep(self, start: int, **arrays: npt.NDArray[Any]) -> None:
        """Keep arrays of the rows from position `start`. Raises :class:`StorageError`."""
        save_arrays(self._file(start), {}, **arrays)

    def kept(self, chunk: int, total: int) -> int:
        """Return how many of `total` patches are done, in chunks of `chunk`, without a gap from the first."""
        done = 0
        while done < total and self._file(done).is_file():
            done += chunk
        return min(done, total)

    def forget(self) -> None:
        """Delete the folder, if there is one. Raises :class:`StorageError`."""
        try:
            if self.path.is_dir():
                shutil.rmtree(self.path)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be deleted: {error.strerror}.") from error

    def _file(self, start: int) -> Path:
        return self.path / f"{self.key}-{start:08}.npz"
