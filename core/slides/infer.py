"""The probability of tumour in each cell of a slide's tissue, with a journal: what is finished is never done again.

Blocks are read one ahead of the network. Each finished block is a file of its own, written whole or not at all
(:class:`core.scoring.chunks.ChunkCache`), so that an attempt that was stopped or killed goes on with the next one and
ends with the same bytes.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.errors import BundleError
from core.images.patch import PATCH_SIZE
from core.prediction.ood_warnings import OodWarnings, examine
from core.prediction.predictor import Predictor
from core.prediction.region import probabilities_of
from core.progress import Progress, no_progress
from core.scoring.chunks import Arrays, ChunkCache
from core.slides.plan import Block, Grid, blocks
from core.slides.reader import Slide
from core.slides.sources import Pixels

VERSION = 2
"""Raised when blocks, cells, pixels or tissue become others, so that nothing of before is continued."""

STANDS = (VERSION, 1)
"""Versions whose finished maps stand, because they have the same cells and probabilities."""

AHEAD = 2
"""Blocks that are read while the network works on one."""

EXAMINED = {32: (5, 16), 96: (5, 16), 8: (401, 1024)}
"""By step: cells whose row times the first number and column add up to a multiple of the second are compared with the
training patches, which costs a pass of its own. They lie in a lattice, askew, so that each row and column has some."""

NAMES = ("probability", "ood", "kind", "seconds")
_KINDS = {"fine": 1, "unlike": 2, "blurred": 3}


@dataclass(frozen=True, eq=False)
class Inference:
    """What the network says of a slide.

    Attributes:
        probability: float16 rows×columns, calibrated, rounded once; NaN where nothing was predicted.
        ood: float32 rows×columns, OOD score where it was examined, else NaN.
        examined: number of cells that were examined.
        unlike: number of these that are out of distribution or not stained with H&E.
        blurred: number of these that are blurred.
        seconds: of reading and network together, of all attempts.
    """

    probability: npt.NDArray[np.float16]
    ood: npt.NDArray[np.float32]
    examined: int
    unlike: int
    blurred: int
    seconds: float


def journal(
    folder: Path, slide: Path, grid: Grid, cells: npt.NDArray[np.bool_], predictor: Predictor, *, kind: str = "",
    version: int = VERSION,
) -> ChunkCache:  # fmt: skip
    """Return where the finished blocks of a slide are kept; its key stands for all that the map depends on.

    Args:
        folder: of the files.
        slide: the slide's file.
        grid: its cells.
        cells: which of them are predicted.
        predictor: by what.
        kind: another :attr:`Predictor.kind` than the predictor's own, to know its key.
        version: another than today's, likewise.
    """
    file = slide.stat()
    stamp = f"{version} {file.st_size} {file.st_mtime_ns} {grid} {predictor.bundle.digest}"
    return ChunkCache.of(folder, np.flatnonzero(cells), stamp=stamp, device=kind or predictor.kind)


def infer(
    slide: Slide,
    grid: Grid,
    cells: npt.NDArray[np.bool_],
    predictor: Predictor,
    *,
    keep: ChunkCache | None = None,
    progress: Progress = no_progress,
) -> Inference:
    """Predict the cells of a slide.

    Args:
        slide: the slide.
        grid: its cells.
        cells: bool rows×columns, which are predicted.
        predictor: the bundle on its device.
        keep: where finished blocks are kept, and read where an earlier attempt left them.
        progress: receives the finished share; what it raises ends the work, and finished blocks are kept.

    Raises:
        BundleError: steps of 8 pixels need a network that reads regions.
        DataError: the slide is damaged.
        StorageError: a block cannot be kept.
    """
    if grid.step < 32 and not predictor.reads_regions:
        raise BundleError(
            f"The network {predictor.bundle.card.model} predicts single patches only, and steps of {grid.step} pixels "
            "would take it hours. Choose --bundle nodescope-net, or --step 32."
        )
    probability = np.full(cells.shape, np.nan, np.float16)  # a fine map of a large slide has ten million cells
    ood = np.full(cells.shape, np.nan, np.float32)
    kinds, seconds = np.zeros(cells.shape, np.uint8), 0.0
    done, total = 0, int(cells.sum())
    for block, found in _results(slide, grid, list(blocks(cells, grid.step)), predictor, keep):
        places = block.places()
        probability[places], ood[places], kinds[places] = found["probability"], found["ood"], found["kind"]
        seconds += float(found["seconds"].sum())
        done += len(places[0])
        progress(done / total)
    counts = np.bincount(kinds.ravel(), minlength=4)
    return Inference(probability, ood, int(counts[1:].sum()), int(counts[2]), int(counts[3]), seconds)


def _results(
    slide: Slide, grid: Grid, planned: Sequence[Block], predictor: Predictor, keep: ChunkCache | None
) -> Iterator[tuple[Block, Arrays]]:
    """Yield each block with its arrays, one value a cell; only blocks that are not kept are read."""

    def read(block: Block) -> Pixels:
        x, y, width, height = block.region(grid.step)
        return slide.read(x, y, width, height, scale=grid.scale)

    def kept(block: Block) -> Arrays | None:
        return None if keep is None else keep.read(block.number, int(block.cells.sum()), NAMES)

    def finished(block: Block, pending: Arrays | Future[Pixels]) -> tuple[Block, Arrays]:
        if not isinstance(pending, Future):
            return block, pending
        started = time.perf_counter()
        found = predict_block(block, pending.result(), grid.step, predictor)
        count = len(found["probability"])
        found["seconds"] = np.full(count, (time.perf_counter() - started) / count, np.float32)
        if keep is not None:
            keep.write(block.number, found)
        return block, found

    with ThreadPoolExecutor(1) as pool:
        waiting: deque[tuple[Block, Arrays | Future[Pixels]]] = deque()
        try:
            for block in planned:
                waiting.append((block, kept(block) or pool.submit(read, block)))
                if len(waiting) > AHEAD:
                    yield finished(*waiting.popleft())
            while waiting:
                yield finished(*waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def predict_block(block: Block, pixels: Pixels, step: int, predictor: Predictor) -> Arrays:
    """Return probability (float64), OOD score (float32) and kind (uint8) of the cells of one block, (n,) each."""
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (PATCH_SIZE, PATCH_SIZE), axis=(0, 1))[::step, ::step]
    if step < 32:
        probability = probabilities_of(predictor, pixels)[block.cells]
    else:
        probability = predictor.predict(_patches(windows[block.cells])).probabilities
    rows, columns = block.places()
    turn, every = EXAMINED[step]
    chosen = np.flatnonzero((turn * rows + columns) % every == 0)
    examined = windows[rows[chosen] - block.row, columns[chosen] - block.column]  # not all cells: a block has thousands
    warnings = examine(predictor, _patches(examined)) if len(chosen) else []
    ood, kind = np.full(len(rows), np.nan, np.float32), np.zeros(len(rows), np.uint8)
    ood[chosen] = [np.nan if each.ood_score is None else each.ood_score for each in warnings]
    kind[chosen] = [_KINDS[_kind_of(each)] for each in warnings]
    return {"probability": probability, "ood": ood, "kind": kind}


def _patches(windows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return windows N×3×96×96 as patches N×96×96×3."""
    return np.ascontiguousarray(np.moveaxis(windows, 1, 3))


def _kind_of(warnings: OodWarnings) -> Literal["fine", "unlike", "blurred"]:
    # A blank patch is no foreign one: it is glass between pieces of tissue.
    kinds = {artifact.kind for artifact in warnings.artifacts}
    if "blur" in kinds:
        return "blurred"
    return "unlike" if kinds & {"stain", "network"} and "blank" not in kinds else "fine"
