"""Predictions for found files: decode, predict, and go on past what cannot be read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.bundle.bundle import Bundle
from core.display import to_jpeg
from core.errors import PatchError, Problem
from core.images.discover import PatchFile
from core.images.limits import Limits
from core.images.tiling import Sizing, Tile, patches_of
from core.prediction.ensemble import Ensemble, first_member
from core.prediction.ood_warnings import OodWarnings, examine
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress

CHUNK = 128
"""Decoded patches that are held in memory at a time, but for the tiles of one picture."""

TILES_AT_ONCE = 32
"""Tiles between two reports of progress."""


@dataclass(frozen=True)
class ScoredFile:
    """One patch and what the bundle predicts for it.

    Attributes:
        id: unique in its batch: the file's id, of a tile with its place behind it.
        name: the file's name for people, of a tile with its place behind it.
        logit: before calibration.
        probability: calibrated probability of tumour in the centre.
        notes: what was done to the image before, a sentence each.
        ood: whether the patch resembles the training patches; None where that was not examined.
        source: id of the file.
        at: (x, y) of a tile in its picture, which may have been rescaled; None where the file gave one patch.
        thumbnail: a JPEG of the patch at half its size, about 1.5 kB; empty where none was wanted.
    """

    id: str
    name: str
    logit: float
    probability: float
    notes: tuple[str, ...]
    ood: OodWarnings | None = None
    source: str = ""
    at: tuple[int, int] | None = None
    thumbnail: bytes = b""

    @property
    def file_name(self) -> str:
        """The name of the file, without the place of a tile."""
        return self.name if self.at is None else self.name.removesuffix(f" ({self.at[0]}, {self.at[1]})")


@dataclass(frozen=True)
class ScoredBatch:
    """The files that could be scored, in their order, and the others with the reason.

    Attributes:
        files: the scored patches.
        problems: what could not be used.
        done: how many of the files were processed; fewer than there are where the work was stopped.
    """

    files: list[ScoredFile]
    problems: list[Problem]
    done: int = 0

    def calibrated_by(self, bundle: Bundle) -> "ScoredBatch":
        """Return the batch with the probabilities of a copy of its bundle that is calibrated otherwise."""
        probabilities = bundle.card.calibration.apply(np.array([file.logit for file in self.files], np.float32))
        files = [replace(file, probability=float(new)) for file, new in zip(self.files, probabilities, strict=True)]
        return replace(self, files=files)

    def plus(self, more: "ScoredBatch") -> "ScoredBatch":
        """Return both, one after the other."""
        return ScoredBatch([*self.files, *more.files], [*self.problems, *more.problems], self.done + more.done)


def score_files(
    predictor: Predictor | Ensemble,
    files: Sequence[PatchFile],
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    sizing: Sizing = Sizing(),  # noqa: B008 - frozen
    with_ood: bool = False,
    progress: Progress = no_progress,
) -> ScoredBatch:
    """Decode and score `files`.

    Args:
        predictor: the bundle on its device.
        files: what :func:`core.images.discover.find_patches` found.
        limits: how many pixels an image may have.
        sizing: what is done to images that are not 96×96.
        with_ood: examine each patch too, which costs about a second pass of the network.
        progress: receives the finished share; what it raises ends the work, which is the way to cancel.
    """
    batch = ScoredBatch([], [])
    pieces = score_pieces(predictor, files, limits=limits, sizing=sizing, with_ood=with_ood, chunk=CHUNK)
    for piece in pieces:
        batch = batch.plus(piece)
        progress(batch.done / len(files))
    return batch


def score_pieces(
    predictor: Predictor | Ensemble,
    files: Sequence[PatchFile],
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    sizing: Sizing = Sizing(),  # noqa: B008 - frozen
    with_ood: bool = False,
    with_thumbnails: bool = False,
    chunk: int = CHUNK,
) -> Iterator[ScoredBatch]:
    """Yield the results of a few files at a time, so that a stopped batch keeps what is done.

    Args:
        predictor: as of :func:`score_files`, like all others but the last two.
        files: see there.
        limits: see there.
        sizing: see there.
        with_ood: see there.
        with_thumbnails: keep a small picture of each patch, for a table that does not read the files again.
        chunk: files, or patches where a file gives several, in a piece.
    """
    waiting: list[tuple[PatchFile, Tile]] = []
    problems: list[Problem] = []
    yielded = 0
    for number, file in enumerate(files, 1):
        try:
            found = patches_of(file.read(), name=file.name, sizing=sizing, max_pixels=limits.max_pixels)
            waiting += [(file, tile) for tile in found]
        except PatchError as error:
            problems.append(Problem.from_error(file.name, error))
        # Files are counted too: where none of many can be read, nothing waits, and still the caller must hear of it.
        if len(waiting) >= chunk or number - yielded >= chunk or number == len(files):
            scored = _scored(predictor, waiting, with_ood=with_ood, with_thumbnails=with_thumbnails)
            yield ScoredBatch(scored, problems, number - yielded)
            waiting, problems, yielded = [], [], number


def score_tiles(
    predictor: Predictor, name: str, tiles: Sequence[Tile], *, progress: Progress = no_progress
) -> ScoredBatch:
    """Score and examine the tiles of one picture that is in memory already; arguments as of :func:`score_files`."""
    # It gives id and name only; the tiles are decoded already, so nobody reads it.
    picture = PatchFile(name, name, lambda: b"")
    scored: list[ScoredFile] = []
    for start in range(0, len(tiles), TILES_AT_ONCE):
        waiting = [(picture, tile) for tile in tiles[start : start + TILES_AT_ONCE]]
        scored += _scored(predictor, waiting, with_ood=True)
        progress(len(scored) / len(tiles))
    return ScoredBatch(scored, [], 1)


def _scored(
    predictor: Predictor | Ensemble,
    waiting: list[tuple[PatchFile, Tile]],
    *,
    with_ood: bool,
    with_thumbnails: bool = False,
) -> list[ScoredFile]:
    if not waiting:
        return []
    pixels = np.stack([tile.decoded.pixels for _, tile in waiting])
    predictions = predictor.predict(pixels)
    ood: list[OodWarnings | None] = list(examine(first_member(predictor), pixels)) if with_ood else [None] * len(pixels)
    return [
        ScoredFile(
            file.id if tile.at is None else f"{file.id}_x{tile.at[0]}_y{tile.at[1]}",
            file.name if tile.at is None else f"{file.name} ({tile.at[0]}, {tile.at[1]})",
            float(logit),
            float(probability),
            tile.decoded.notes,
            ood,
            file.id,
            tile.at,
            to_jpeg(tile.decoded.pixels[::2, ::2], quality=85) if with_thumbnails else b"",
        )
        for (file, tile), logit, probability, ood in zip(
            waiting, predictions.logits, predictions.probabilities, ood, strict=True
        )
    ]
