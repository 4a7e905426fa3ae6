"""Patches that are used for one purpose, and how they are read: from a pack as they are needed, else all at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.data import Dataset, Problem
from core.data.store import PATCH_SIZE, PatchStore, batches
from core.data.stored_patches import NormalisedPixels, Pixels, StoredPatches, is_at_hand, known_among
from core.progress import Progress, no_progress
from core.stain import StainReference

UNLABELLED = -1
"""Stands where a training patch has no label."""


@dataclass(frozen=True)
class Patches:
    """Patches that are used for one purpose.

    Attributes:
        ids: text (N,).
        pixels: uint8 N×96×96×3; an array, or what is gathered from a pack when it is needed.
        labels: int64 (N,); -1 for a training patch that only teachers teach.
        slides: the slide of each, or the patient where that is known, text (N,), see :meth:`core.data.Dataset.units`.
        unit: which of the two.
        notes: position -> what was done to the picture, see :class:`core.data.store.Loaded`.
    """

    ids: np.ndarray
    pixels: Pixels
    labels: np.ndarray
    slides: np.ndarray | None
    unit: str = "slide"
    notes: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def some(self, rows: slice | np.ndarray) -> "Patches":
        """Return some of them, in this order, without their notes."""
        slides = None if self.slides is None else self.slides[rows]
        return replace(
            self, ids=self.ids[rows], pixels=self.pixels[rows], labels=self.labels[rows], slides=slides, notes={}
        )

    def seen(self, stain: StainReference | None) -> "Patches":
        """Return them as a network sees them that normalises stains to a reference; without one, as they are."""
        return self if stain is None else replace(self, pixels=NormalisedPixels(self.pixels, stain))


def read_patches(dataset: Dataset, rows: np.ndarray, progress: Progress = no_progress) -> tuple[Patches, list[Problem]]:
    """Return the patches of `rows`, and those of them that could not be read and were excluded.

    Patches of a pack stay in its memory map, which may be larger than the memory; others are decoded once, here.
    """
    ids = dataset.table["id"].to_numpy(dtype=object)[rows]
    if is_at_hand(dataset.store):
        decoded = None
        unreadable, notes = known_among(dataset.store, rows, "unreadable"), known_among(dataset.store, rows, "notes")
        progress(1.0)
    else:
        decoded, unreadable, notes = _decoded(dataset.store, rows, progress)
    usable = np.ones(len(rows), bool)
    usable[list(unreadable)] = False
    place = np.cumsum(usable) - 1  # of each patch among those that can be read
    notes = {int(place[position]): said for position, said in notes.items()}
    problems = [Problem(str(ids[position]), reason) for position, reason in unreadable.items()]
    rows, ids = rows[usable], ids[usable]
    # This holds row numbers only; it is replaced where the patches had to be decoded.
    pixels: Pixels = StoredPatches(dataset.store, rows)
    if decoded is not None:
        # Choosing rows copies all of them, which would need the memory twice.
        pixels = decoded if usable.all() else decoded[usable]
    labels = dataset.table["label"].iloc[rows].fillna(UNLABELLED).to_numpy(dtype=np.int64)
    return Patches(ids, pixels, labels, dataset.units(rows), dataset.unit or "slide", notes), problems


def _decoded(
    store: PatchStore, rows: np.ndarray, progress: Progress
) -> tuple[np.ndarray, dict[int, str], dict[int, tuple[str, ...]]]:
    """Return the patches of `rows`, and by position why some are unreadable and what was done to others."""
    # One array that is filled: joining the chunks at the end would need the memory twice.
    pixels = np.empty((len(rows), PATCH_SIZE, PATCH_SIZE, 3), np.uint8)
    unreadable, notes = dict[int, str](), dict[int, tuple[str, ...]]()
    done = 0
    for chosen, loaded in batches(store, rows, progress=progress):
        pixels[done : done + len(chosen)] = loaded.pixels
        unreadable |= {done + position: reason for position, reason in loaded.unreadable.items()}
        notes |= {done + position: said for position, said in loaded.notes.items()}
        done += len(chosen)
    return pixels, unreadable, notes
