"""Predictions of rows of a data set, chunk by chunk, so that a stopped attempt is continued and not repeated.

Finished chunks may be kept in a folder beside what will be stored (``<data fingerprint>-<split>.partial`` for the
predictions of a split, ``chunks`` for those of a submission), one ``.npz`` file each, written atomically. Their names
hold a key of the rows, the stamp of the data and what predicts, so that chunks of other patches are never taken
for these. The folder goes when the predictions are complete.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from core.data import Dataset
from core.data.open import logger
from core.data.store import log_notes
from core.errors import StorageError
from core.prediction.appearance import COLUMNS, measure_appearance
from core.prediction.ensemble import Ensemble, first_member
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress, within
from core.storage.npz import save_arrays, stored_arrays

CHUNK = {"cpu": 64, "cuda": 512, "mps": 64}
"""Patches that are read at a time, by device: the step in which an unfinished attempt is kept, a second or two."""

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class ChunkCache:
    """A folder of chunks.

    Attributes:
        path: the folder; need not exist.
        key: of the rows and what they were read from.
        step: patches in a chunk; the last one may have fewer.
    """

    path: Path
    key: str
    step: int

    @classmethod
    def of(cls, path: Path, rows: npt.NDArray[np.int64], *, stamp: str, device: str) -> "ChunkCache":
        """Return the cache for these rows of the data with this stamp predicted by this :attr:`Predictor.kind`."""
        content = f"{stamp}\n{device}\n".encode() + np.ascontiguousarray(rows, np.int64).tobytes()
        return cls(path, hashlib.sha256(content).hexdigest()[:16], CHUNK[device.partition("-")[0]])

    def read(self, start: int, length: int, names: Sequence[str]) -> Arrays | None:
        """Return the arrays of the chunk that begins at position `start`, or None if it is not there.

        Raises:
            DataError: its file is damaged.
        """
        remedy = f"Delete the folder {self.path}, which was kept of a stopped attempt, and start again."
        with stored_arrays(self._file(start), remedy=remedy) as stored:
            # An earlier version kept longer chunks on the CPU.
            found = None if stored is None else {name: stored[1][name][:length] for name in names}
        return found if found is not None and all(len(each) == length for each in found.values()) else None

    def write(self, start: int, arrays: Arrays) -> None:
        """Keep a chunk. Raises :class:`StorageError`."""
        save_arrays(self._file(start), {}, **arrays)

    def kept(self, total: int) -> int:
        """Return how many of `total` patches are done, without a gap from the first."""
        done = 0
        while done < total and self._file(done).is_file():
            done += self.step
        return min(done, total)

    def lacks(self, start: int, stop: int) -> bool:
        """Whether a chunk of the patches from position `start` to before `stop` is not done."""
        return not all(self._file(each).is_file() for each in range(start, stop, self.step))

    def forget(self) -> None:
        """Delete the folder, if there is one. Raises :class:`StorageError`."""
        try:
            if self.path.is_dir():
                shutil.rmtree(self.path)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be deleted: {error.strerror}.") from error

    def _file(self, start: int) -> Path:
        return self.path / f"{self.key}-{start:08}.npz"


def predict_rows(
    predictor: Predictor | Ensemble,
    dataset: Dataset,
    rows: npt.NDArray[np.int64],
    *,
    value: Literal["logits", "probabilities"] = "logits",
    with_appearance: bool = False,
    keep: ChunkCache | None = None,
    span: tuple[int, int] | None = None,
    progress: Progress = no_progress,
) -> Arrays:
    """Predict rows of a data set.

    Args:
        predictor: a bundle, or several that predict as one.
        dataset: where the patches are.
        rows: their row numbers (n,).
        value: what is returned of each prediction.
        with_appearance: measure brightness, sharpness and staining as well.
        keep: where finished chunks are kept, and read where an earlier attempt left them.
        span: first position in `rows` and the one after the last, at ends of chunks; None is all.
        progress: receives the finished share; what it raises ends the work, and finished chunks are kept.

    Returns:
        By name, an array each: "logits" (float32) or "probabilities" (float64), "usable" (bool, False for patches that
        cannot be read) and, if wanted, "looks" (float32, n×5, see :class:`core.prediction.appearance.Appearance`).

    Raises:
        DataError: a kept chunk is damaged.
        StorageError: a chunk cannot be kept.
    """
    # These are the keys of the files too, so that what an earlier version kept is still continued.
    names = [value, "usable", *(["looks"] if with_appearance else [])]
    empty: Arrays = {
        value: np.empty(0, np.float32 if value == "logits" else np.float64),
        "usable": np.empty(0, bool),
        "looks": np.empty((0, len(COLUMNS)), np.float32),
    }
    chunks = [{name: empty[name] for name in names}]
    notes = dict[int, tuple[str, ...]]()
    step = CHUNK[first_member(predictor).device.type]
    first, last = (0, len(rows)) if span is None else span
    for start in range(first, last, step):
        chosen = rows[start : start + step]
        low, high = (start - first) / (last - first), (start + len(chosen) - first) / (last - first)
        report = within(progress, low, high)
        chunk = None if keep is None else keep.read(start, len(chosen), names)
        if chunk is None:
            loaded = dataset.store.load(chosen)
            notes |= {int(chosen[at]): said for at, said in loaded.notes.items()}
            predictions = predictor.predict(loaded.pixels, progress=_all_but_the_end(report))
            chunk = {value: getattr(predictions, value), "usable": loaded.readable}
            if with_appearance:
                chunk["looks"] = measure_appearance(loaded.pixels).values
            if keep is not None:
                keep.write(start, chunk)
        chunks.append(chunk)
        report(1.0)  # only now: a cancellation that it raises finds the chunk kept
    if notes:
        log_notes(logger, notes, dataset.table["id"].array)
    return {name: np.concatenate([each[name] for each in chunks]) for name in names}


def _all_but_the_end(progress: Progress) -> Progress:
    return lambda share: progress(share) if share < 1 else None
