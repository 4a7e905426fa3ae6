"""Patches that stay in the memory map of their pack (or in their array) until some of them are requested."""

from typing import Any, Literal

import numpy as np

from core.data.store import PATCH_SIZE, ArrayStore, JoinedStore, PackedStore, PatchStore, RowStore, among
from core.stain import StainReference, normalise_all


class StoredPatches:
    """Some patches of a store, gathered when they are requested.

    Args:
        store: one of which :func:`is_at_hand` is true.
        rows: int64 (N,), the rows of the patches in the store.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, store: PatchStore, rows: np.ndarray):
        self._store, self._rows = store, rows
        self.shape = (len(rows), PATCH_SIZE, PATCH_SIZE, 3)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, chosen: slice | np.ndarray) -> np.ndarray:
        return self._store.load(self._rows[chosen]).pixels


class NormalisedPixels:
    """Patches brought to the stains of a reference when they are requested, so that none lies in memory twice.

    Args:
        pixels: uint8 N×96×96×3.
        reference: what they are brought to.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, pixels: "Pixels", reference: StainReference):
        self._pixels, self._reference = pixels, reference
        self.shape: tuple[int, ...] = pixels.shape

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, chosen: slice | np.ndarray) -> np.ndarray:
        return normalise_all(self._pixels[chosen], self._reference)


Pixels = np.ndarray | StoredPatches | NormalisedPixels
"""Patches, uint8 N×96×96×3, of which a slice or an array of row numbers is requested at a time."""


def is_at_hand(store: PatchStore) -> bool:
    """Whether the patches lie in arrays or memory maps, where to gather some costs no more than to copy them."""
    if isinstance(store, RowStore):
        return is_at_hand(store.store)
    if isinstance(store, JoinedStore):
        return all(map(is_at_hand, store.stores))
    return isinstance(store, ArrayStore)


def known_among(store: PatchStore, rows: np.ndarray, what: Literal["unreadable", "notes"]) -> dict[int, Any]:
    """Return the position in `rows` of each patch that cannot be read, or has notes, with these; reads none.

    Args:
        store: one of which :func:`is_at_hand` is true; only a pack knows of any.
        rows: int64 (N,).
        what: "unreadable" (a reason each) or "notes" (sentences), see :class:`core.data.store.Loaded`.
    """
    if isinstance(store, RowStore):
        return known_among(store.store, store.rows[rows], what)
    if isinstance(store, JoinedStore):
        owners = [(positions, known_among(each, inner, what)) for each, positions, inner in store.split(rows)]
        return {int(positions[at]): said for positions, known in owners for at, said in known.items()}
    return among(getattr(store, what), rows) if isinstance(store, PackedStore) else {}
