"""What scoring has done so far, kept in chunks, so that a cancelled or killed attempt is continued and not repeated.

A folder beside the stored predictions, ``<data fingerprint>-<part>.partial``, with one ``.npz`` file a chunk of rows,
written atomically. Their names hold a key of the rows, the stamp of the data and the kind of device, so that chunks of
other patches are never taken for these. The folder goes when the predictions are complete.
"""

import hashlib
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core import atomic
from core.errors import DataError, StorageError


@dataclass(frozen=True, eq=False)
class Chunk:
    """Predictions of successive rows.

    Attributes:
        logits: float32 (n,).
        looks: float32 (n, 5), see :class:`core.prediction.looks.Looks`.
        usable: bool (n,), False for patches that cannot be read.
    """

    logits: npt.NDArray[np.float32]
    looks: npt.NDArray[np.float32]
    usable: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Partial:
    """A folder of chunks.

    Attributes:
        path: the folder; need not exist.
        key: of the rows and what they were read from.
    """

    path: Path
    key: str

    @classmethod
    def of(cls, path: Path, rows: npt.NDArray[np.int64], *, stamp: str, device: str) -> "Partial":
        """Return the place for these rows of the data with this stamp on this kind of device."""
        told = f"{stamp}\n{device}\n".encode() + np.ascontiguousarray(rows, np.int64).tobytes()
        return cls(path, hashlib.sha256(told).hexdigest()[:16])

    def read(self, start: int, length: int) -> Chunk | None:
        """Return the chunk that begins at position `start`, or None if it is not there.

        Raises:
            DataError: its file is damaged.
        """
        path = self._file(start)
        try:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
                chunk = Chunk(file["logits"], file["looks"], file["usable"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(
                f"What was kept of a stopped attempt is damaged ({path.name}: {error}). Delete the folder {self.path} "
                "and evaluate again."
            ) from error
        return chunk if len(chunk.logits) == length else None

    def write(self, start: int, chunk: Chunk) -> None:
        """Keep a chunk. Raises :class:`StorageError`."""
        with atomic.replacing(self._file(start)) as temporary, temporary.open("wb") as file:
            np.savez(file, logits=chunk.logits, looks=chunk.looks, usable=chunk.usable)

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
