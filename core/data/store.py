"""Patch stores: uint8 pixels for a batch of row numbers, wherever they lie."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import h5py
import numpy as np

from core.errors import DataError, PatchError
from core.images.patch import CENTRE as CENTRE
from core.images.patch import PATCH_BYTES as PATCH_BYTES
from core.images.patch import PATCH_SIZE as PATCH_SIZE
from core.progress import Progress, no_progress

T = TypeVar("T")


@dataclass(frozen=True)
class Loaded:
    """Patches read from a store.

    Attributes:
        pixels: uint8, N×96×96×3. A patch that could not be read is white.
        unreadable: position in the batch -> one sentence that says why.
        notes: position in the batch -> what was done to the picture, a sentence each, as Predict says it; only of
            patches that were not taken as they are.
    """

    pixels: np.ndarray
    unreadable: dict[int, str] = field(default_factory=dict)
    notes: dict[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def readable(self) -> np.ndarray:
        """Which patches could be read, bool (N,)."""
        return ~np.isin(np.arange(len(self.pixels)), list(self.unreadable))


class PatchStore(Protocol):
    """Anything that gives patches by row number."""

    def __len__(self) -> int:
        """Number of patches."""
        ...

    def load(self, rows: Sequence[int] | np.ndarray) -> Loaded:
        """Read the patches of `rows`, in that order; unreadable ones are reported, not raised."""
        ...


def read(store: PatchStore, rows: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return the patches of `rows` as uint8 N×96×96×3.

    Raises:
        PatchError: at least one of them could not be read.
    """
    loaded = store.load(rows)
    if loaded.unreadable:
        first = next(iter(loaded.unreadable.values()))
        more = f" ({len(loaded.unreadable)} of {len(rows)} patches)" if len(loaded.unreadable) > 1 else ""
        raise PatchError(f"{first}{more}")
    return loaded.pixels


def why_unreadable(store: PatchStore, rows: np.ndarray) -> str:
    """Return the sentence on the first of `rows` that cannot be read, or "" where the first 100 can be."""
    return next(iter(store.load(rows[:100]).unreadable.values()), "")


def batches(
    store: PatchStore, rows: np.ndarray, *, size: int = 512, progress: Progress = no_progress
) -> Iterator[tuple[np.ndarray, Loaded]]:
    """Go through patches of a store in order, a batch in memory at a time.

    Args:
        store: where they lie.
        rows: their row numbers, int64 (N,).
        size: patches of a batch; the last one may have fewer.
        progress: receives the finished share after the caller is done with a batch.

    Yields:
        The rows of a batch and what was read of them.

    Example:
        >>> [len(chosen) for chosen, _ in batches(store, np.arange(600))]
        [512, 88]
    """
    for start in range(0, len(rows), size):
        chosen = rows[start : start + size]
        yield chosen, store.load(chosen)
        progress(min(1.0, (start + size) / len(rows)))


def rows_by_note(notes: Mapping[int, Sequence[str]]) -> dict[str, list[int]]:
    """Return the sentences of some notes with the rows of which each is said, as it is stored.

    Example:
        >>> rows_by_note({4: ("Greyscale.",), 7: ("Greyscale.", "Over white.")})
        {'Greyscale.': [4, 7], 'Over white.': [7]}
    """
    rows: dict[str, list[int]] = {}
    for row, said in sorted(notes.items()):
        for note in said:
            rows.setdefault(note, []).append(row)
    return rows


def notes_by_row(rows: Mapping[str, Sequence[int]]) -> dict[int, tuple[str, ...]]:
    """Return what :func:`rows_by_note` was made of; the order of a row's sentences may differ."""
    notes: dict[int, tuple[str, ...]] = {}
    for note, found in rows.items():
        for row in found:
            notes[row] = (*notes.get(row, ()), note)
    return notes


def notes_by_kind(notes: Mapping[int, Sequence[str]], ids: Sequence[str]) -> dict[str, list[str]]:
    """Return what was done to some patches, a sentence for each kind, and the ids of those it was done to.

    Sentences that differ in their numbers alone are of one kind; that about the first of its ids stands for all.

    Args:
        notes: position in `ids` -> sentences.
        ids: of the patches.

    Example:
        >>> notes_by_kind({0: ("The file holds 3 pages.",), 1: ("The file holds 5 pages.",)}, ["a", "b"])
        {'The file holds 3 pages.': ['a', 'b']}
    """
    kinds: dict[str, tuple[str, list[int]]] = {}
    for note, positions in rows_by_note(notes).items():
        kinds.setdefault(re.sub(r"\d[\d,.]*", "0", note), (note, []))[1].extend(positions)
    return {first: [str(ids[at]) for at in positions] for first, positions in kinds.values()}


def log_notes(logger: logging.Logger, notes: Mapping[int, Sequence[str]], ids: Sequence[str]) -> None:
    """Say what was done to some patches: a line for each kind with an example; arguments as of `notes_by_kind`."""
    for kind, found in notes_by_kind(notes, ids).items():
        logger.warning("%d patches: %s (such as %s)", len(found), kind, found[0])


class ArrayStore:
    """Patches in one array or memory map of uint8 N×96×96×3."""

    def __init__(self, patches: np.ndarray):
        if patches.dtype != np.uint8 or patches.shape[1:] != (PATCH_SIZE, PATCH_SIZE, 3):
            raise DataError(
                f"Packed patches must be uint8 N×96×96×3, got {patches.dtype} {'×'.join(map(str, patches.shape))}."
            )
        self.patches = patches

    def __len__(self) -> int:
        return len(self.patches)

    def load(self, rows: Sequence[int] | np.ndarray) -> Loaded:
        """Read the patches of `rows`; an array has no unreadable ones."""
        return Loaded(self.patches[np.asarray(rows, dtype=np.int64)])


class PackedStore(ArrayStore):
    """Patches of a pack: an array, why some of them could not be read when it was made, and what was done to others."""

    def __init__(
        self, patches: np.ndarray, unreadable: Mapping[int, str], notes: Mapping[int, tuple[str, ...]] | None = None
    ):
        super().__init__(patches)
        self.unreadable, self.notes = dict(unreadable), dict(notes or {})

    def load(self, rows: Sequence[int] | np.ndarray) -> Loaded:
        """Read the patches of `rows`; unreadable ones are white and reported."""
        wanted = np.asarray(rows, dtype=np.int64)
        return Loaded(self.patches[wanted], among(self.unreadable, wanted), among(self.notes, wanted))


def among(known: dict[int, T], rows: np.ndarray) -> dict[int, T]:
    """Return what is known of some of `rows`, by position in them."""
    if not known:  # the usual case, for which a batch must not be gone through row by row
        return {}
    return {at: known[int(row)] for at, row in enumerate(rows) if int(row) in known}


class RowStore:
    """Some rows of another store."""

    def __init__(self, store: PatchStore, rows: np.ndarray):
        self.store = store
        self.rows = np.asarray(rows, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def load(self, rows: Sequence[int] | np.ndarray) -> Loaded:
        """Read the patches of `rows`, counted among those chosen."""
        return self.store.load(self.rows[np.asarray(rows, dtype=np.int64)])


class Hdf5Store:
    """Patches in the ``x`` data set of one PCam HDF5 file, read as they are needed."""

    def __init__(self, path: Path):
        self.path = path
        self._file: Any = None
        with h5py.File(path, "r") as file:
            x = file["x"]
            if x.shape[1:] != (PATCH_SIZE, PATCH_SIZE, 3) or x.dtype != np.uint8:
                raise DataError(f"{path.name}: 'x' must be uint8 N×96×96×3, got {x.dtype} {x.shape}.")
            self._length = int(x.shape[0])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}  # an open file cannot go to another process

    def __len__(self) -> int:
        return self._length

    def load(self, rows: Sequence[int] | np.ndarray) -> Loaded:
        """Read `rows` in any order; HDF5 itself needs them sorted and without repeats."""
        unique, inverse = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
        if not len(unique):
            return Loaded(np.empty((0, PATCH_SIZE, PATCH_SIZE, 3), np.uint8))
        try:
            if self._file is None:
                self._file = h5py.File(self.path, "r")
            pixels = self._file["x"][unique]
        except OSError as error:
            reason = f"{self.path.name} is damaged at rows {unique[0]} to {unique[-1]}."
            blank = np.full((len(rows), PATCH_SIZE, PATCH_SIZE, 3), 255, np.uint8)
            return Loaded(blank, dict.fromkeys(range(len(rows)), f"{reason} ({error})"))
        return Loaded(np.ascontiguousarray(pixels[inverse]))


class JoinedStore:
    """Several stores, one after the other."""

    def __init__(self, stores: Sequence[PatchStore]):
        self.stores = stores
        self._starts = np.concatenate([[0], np.cumsum([len(store) for store in stores])]).astype(np.int64)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def load(self, rows: Sequence[int] | np.ndarray) -> Loaded:
        """Read `rows` from the stores that hold them."""
        wanted = np.asarray(rows, dtype=np.int64)
        if len(wanted) and not (wanted.min() >= 0 and wanted.max() < len(self)):
            raise IndexError(f"rows must be 0 to {len(self) - 1}, got {wanted.min()} to {wanted.max()}")
        pixels = np.empty((len(wanted), PATCH_SIZE, PATCH_SIZE, 3), np.uint8)
        unreadable, notes = dict[int, str](), dict[int, tuple[str, ...]]()
        for store, positions, inner in self.split(wanted):
            loaded = store.load(inner)
            pixels[positions] = loaded.pixels
            unreadable |= {int(positions[at]): reason for at, reason in loaded.unreadable.items()}
            notes |= {int(positions[at]): said for at, said in loaded.notes.items()}
        return Loaded(pixels, unreadable, notes)

    def split(self, rows: np.ndarray) -> Iterator[tuple[PatchStore, np.ndarray, np.ndarray]]:
        """Yield each store that holds some of `rows`, their positions among these, and their rows in that store."""
        owner = np.searchsorted(self._starts, rows, side="right") - 1
        for number, store in enumerate(self.stores):
            positions = np.flatnonzero(owner == number)
            if len(positions):
                yield store, positions, rows[positions] - self._starts[number]
