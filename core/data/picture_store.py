"""Stores of pictures as people have them, files or arrays of any size; each becomes a patch when it is read."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from core.data.store import JoinedStore, Loaded, PatchStore, RowStore
from core.errors import PatchError
from core.images.decode import DecodedPatch, decode_exact, load_picture
from core.images.discover import read_file
from core.images.mpp import mpp_of
from core.images.names import display_name
from core.images.patch import PATCH_SIZE
from core.images.sizes import Fit, fitted


class FittedStore:
    """Pictures of any size, of which each becomes a patch when it is wanted; a subclass says what they are made of.

    Attributes:
        fit: how a picture of another size becomes a patch.
        mpp: µm per pixel of each picture, or of all; None where it is not known.
    """

    fit = Fit()
    mpp: float | np.ndarray | None = None

    def patches(self, rows: Sequence[int] | np.ndarray) -> Iterator[Callable[[], tuple[np.ndarray, Sequence[str]]]]:
        """Yield for each row what gives its patch and notes, and may raise :class:`PatchError`."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def fitted(self, fit: Fit, mpp: float | np.ndarray | None) -> Self:
        """Return the store with another way to make patches of pictures of other sizes."""
        other = copy.copy(self)
        other.fit, other.mpp = fit, mpp
        return other

    def load(self, rows: Sequence[int] | np.ndarray) -> Loaded:
        """Read the pictures of `rows`; a missing, broken or wrongly sized one is reported."""
        # White like the glass of a slide, so that an unreadable patch upsets no average and no page.
        pixels = np.full((len(rows), PATCH_SIZE, PATCH_SIZE, 3), 255, dtype=np.uint8)
        unreadable, notes = dict[int, str](), dict[int, tuple[str, ...]]()
        for position, patch in enumerate(self.patches(rows)):
            try:
                pixels[position], said = patch()
            except PatchError as error:
                unreadable[position] = str(error)
                continue
            if said:
                notes[position] = tuple(said)
        return Loaded(pixels, unreadable, notes)


class EncodedStore(FittedStore):
    """Pictures in files, which are decoded as Predict decodes them; a subclass says where the files lie."""

    def contents(self, rows: Sequence[int] | np.ndarray) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield the name of the file of each row and what reads it, which may raise :class:`PatchError`."""
        raise NotImplementedError

    def patches(self, rows: Sequence[int] | np.ndarray) -> Iterator[Callable[[], tuple[np.ndarray, Sequence[str]]]]:
        """See :meth:`FittedStore.patches`."""
        for row, (name, read_bytes) in zip(rows, self.contents(rows), strict=True):
            yield partial(self._decoded, row, name, read_bytes)

    def _decoded(self, row: int, name: str, read_bytes: Callable[[], bytes]) -> tuple[np.ndarray, Sequence[str]]:
        found = decode_fitted(read_bytes(), self.fit, name=name, mpp=mpp_of_row(self.mpp, row))
        return found.pixels, found.notes


def mpp_of_row(mpp: float | np.ndarray | None, row: int) -> float | None:
    """Return the µm per pixel of a row, of those of all rows or of each; None where it is not known."""
    if mpp is None or isinstance(mpp, float):
        return mpp
    found = float(mpp[int(row)])
    return None if math.isnan(found) else found


class FileStore(EncodedStore):
    """One image file a patch, as in Kaggle's folder."""

    def __init__(self, paths: Sequence[Path | str]):
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def contents(self, rows: Sequence[int] | np.ndarray) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield name and reader of each row's file."""
        for row in rows:
            path = Path(self.paths[int(row)])
            name = display_name(path.name)
            yield name, partial(read_file, path, name)


class PixelStore(FittedStore):
    """Pictures of one size in an array or memory map, uint8 N×H×W×3 or N×3×H×W, or floats from 0 to 1."""

    def __init__(self, load: Callable[[], np.ndarray], name: str):
        """Open an array.

        Args:
            load: returns it; called again in another process.
            name: of the array, for errors.

        Raises:
            ValueError: it holds no pictures.
        """
        self._load, self.name = load, name
        self._array: np.ndarray | None = load()
        shape, kind = self._array.shape, self._array.dtype
        sides = len(shape) == 3 or (len(shape) == 4 and (shape[3] in (1, 3, 4) or shape[1] in (1, 3)))
        if not sides or (kind != np.uint8 and kind.kind != "f"):
            raise ValueError(f"pictures must be uint8 N×H×W×3, or floats from 0 to 1, got {kind} {shape}")
        self._length = int(shape[0])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_array": None}  # a memory map would go to another process as a copy

    def __len__(self) -> int:
        return self._length

    @property
    def pictures(self) -> np.ndarray:
        """All pictures."""
        if self._array is None:
            self._array = self._load()
        return self._array

    def patches(self, rows: Sequence[int] | np.ndarray) -> Iterator[Callable[[], tuple[np.ndarray, Sequence[str]]]]:
        """See :meth:`FittedStore.patches`."""
        for row in rows:
            yield partial(self._made, int(row))

    def _made(self, row: int) -> tuple[np.ndarray, Sequence[str]]:
        picture = np.asarray(self.pictures[row])
        if picture.ndim == 3 and picture.shape[0] in (1, 3):
            picture = picture.transpose(1, 2, 0)
        if picture.dtype != np.uint8:
            picture = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
        if picture.ndim == 2 or picture.shape[2] == 1:
            picture = np.repeat(picture.reshape(*picture.shape[:2], 1), 3, axis=2)
        return fitted(picture[..., :3], self.fit, mpp=mpp_of_row(self.mpp, row), name=f"{self.name}[{row}]")


def refitted(store: PatchStore, fit: Fit, mpp: float | np.ndarray | None) -> PatchStore:
    """Return a store that makes patches of pictures in another way; one of patches only stays as it is."""
    if isinstance(store, FittedStore):
        return store.fitted(fit, mpp)
    if isinstance(store, RowStore):
        return RowStore(refitted(store.store, fit, mpp), store.rows)
    if not isinstance(store, JoinedStore):
        return store
    ends = np.cumsum([len(each) for each in store.stores])
    pieces = np.split(mpp, ends[:-1]) if isinstance(mpp, np.ndarray) else [mpp] * len(ends)
    return JoinedStore([refitted(each, fit, piece) for each, piece in zip(store.stores, pieces, strict=True)])


def decode_fitted(data: bytes, fit: Fit, *, name: str, mpp: float | None = None) -> DecodedPatch:
    """Decode a file of a data set, of which a picture of another size becomes a patch as `fit` says.

    Args:
        data: the whole file.
        fit: how; one that takes 96×96 only is :func:`decode_exact`.
        name: what to call it in an error.
        mpp: its µm per pixel; None takes what the file says, if it has to be known.

    Raises:
        PatchError: it cannot be used as a patch.
    """
    if not fit.size:
        return decode_exact(data, name=name)
    if mpp is None and fit.size == "mpp":
        mpp = mpp_of(data)
    whole = load_picture(data, name=name).whole()
    pixels, notes = fitted(whole.pixels, fit, mpp=mpp, name=name)
    return DecodedPatch(pixels, (*whole.notes, *notes))
