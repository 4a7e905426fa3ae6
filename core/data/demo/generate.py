"""From slides to labelled patches: cutting, labelling, and splitting by slide."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.data.demo.canvas import Canvas, paint_canvas
from core.data.demo.fields import Mask
from core.data.demo.stains import draw_stain
from core.data.demo.tissue import draw_recipe
from core.data.store import CENTRE, PATCH_SIZE
from core.errors import DataError
from core.progress import Progress, no_progress

MIN_TUMOUR_SHARE = 0.35
"""Least share of tumour in the centre of a tumour patch; patches between 0 and this are excluded."""

TUMOUR_SHARE = 0.4
"""Share of tumour patches, as in the real data (40.5 %)."""

RIM_SHARE = 0.13
"""Share of the normal patches that have tumour in the rim but none in the centre."""

_CANVAS = 864  # 9×9 patches, so that the 60 that are cut from it hardly overlap
_PER_CANVAS = 60
_STRIDE = 16
_SPLIT_KEY = 0x5117  # beyond the number of any slide, whose seeds it must not repeat


@dataclass(frozen=True)
class DemoPatches:
    """The synthetic data set.

    Attributes:
        patches: RGB, N×96×96×3 uint8.
        masks: Ground truth, N×96×96 bool, True where tumour.
        table: One row per patch in the same order: `id` (such as "demo-s07-p012"), `label` (Int8, 1 tumour, 0
            normal), `split` ("train", "valid" or "test", whole slides only) and `slide` (such as "demo-s07").
    """

    patches: NDArray[np.uint8]
    masks: Mask
    table: pd.DataFrame


def generate_demo(
    *, seed: int = 0, slides: int = 40, patches_per_slide: int = 60, progress: Progress = no_progress
) -> DemoPatches:
    """Generate synthetic H&E-like patches with their tumour masks.

    The same arguments give the same data set, and a slide looks the same whatever the number of slides. A
    patch is labelled 1 if any mask pixel in its centre (rows and columns 32 to 63) is tumour. Borderline
    patches are excluded: the centre's tumour share is either 0 or at least :data:`MIN_TUMOUR_SHARE`.

    Args:
        seed: Seed of all randomness, ≥ 0.
        slides: Number of slides, 3 to 1000 (each split needs one).
        patches_per_slide: Patches cut from each slide, 1 to 1000.
        progress: Called with the finished share in [0, 1] after each slide.

    Returns:
        The patches, their masks and their table.

    Raises:
        DataError: If a canvas does not hold enough patches of a class.
    """
    total = slides * patches_per_slide
    patches = np.empty((total, PATCH_SIZE, PATCH_SIZE, 3), np.uint8)
    masks = np.empty((total, PATCH_SIZE, PATCH_SIZE), bool)
    for slide in range(slides):
        for row, cut in enumerate(_cut_slide(seed, slide, patches_per_slide), start=slide * patches_per_slide):
            patches[row], masks[row] = cut
        progress((slide + 1) / slides)
    return DemoPatches(patches=patches, masks=masks, table=_tabulate(masks, seed, slides, patches_per_slide))


def _cut_slide(seed: int, slide: int, count: int) -> Iterator[tuple[NDArray[np.uint8], Mask]]:
    rng = np.random.default_rng([seed, slide])
    stain, recipe = draw_stain(rng), draw_recipe(rng)
    share = float(np.clip(rng.normal(TUMOUR_SHARE, 0.06), 0.2, 0.6))
    for start in range(0, count, _PER_CANVAS):
        canvas = paint_canvas(rng, size=_CANVAS, recipe=recipe, stain=stain)
        yield from _cut_canvas(rng, canvas, min(_PER_CANVAS, count - start), share)


def _cut_canvas(
    rng: np.random.Generator, canvas: Canvas, count: int, tumour_share: float
) -> list[tuple[NDArray[np.uint8], Mask]]:
    corners = _corners(canvas.tumour.shape[0])
    centre = _tumour_share(canvas.tumour, corners + CENTRE.start, CENTRE.stop - CENTRE.start)
    whole = _tumour_share(canvas.tumour, corners, PATCH_SIZE)
    tumours = round(count * tumour_share)
    rims = round((count - tumours) * RIM_SHARE)
    normal = count - tumours
    clean = min(normal - rims, int((whole == 0).sum()))
    taken: list[NDArray[np.intp]] = []
    for wanted, fits in (
        (tumours, centre >= MIN_TUMOUR_SHARE),
        (clean, whole == 0),
        (normal - clean, (centre == 0) & (whole > 0)),
    ):
        taken += _spread(rng, corners[fits], wanted, taken)
    return [
        (canvas.image[y : y + PATCH_SIZE, x : x + PATCH_SIZE], canvas.tumour[y : y + PATCH_SIZE, x : x + PATCH_SIZE])
        for y, x in rng.permutation(np.array(taken))
    ]


def _corners(size: int) -> NDArray[np.intp]:
    starts = np.arange(0, size - PATCH_SIZE + 1, _STRIDE)
    return np.stack(np.meshgrid(starts, starts, indexing="ij"), axis=-1).reshape(-1, 2)


def _tumour_share(tumour: Mask, corners: NDArray[np.intp], window: int) -> NDArray[np.float64]:
    total = np.zeros((tumour.shape[0] + 1, tumour.shape[1] + 1), np.int64)
    total[1:, 1:] = tumour.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    y, x = corners.T
    count = total[y + window, x + window] - total[y, x + window] - total[y + window, x] + total[y, x]
    return np.asarray(count / window**2)


def _spread(
    rng: np.random.Generator, corners: NDArray[np.intp], wanted: int, taken: list[NDArray[np.intp]]
) -> list[NDArray[np.intp]]:
    """Choose corners in random order that keep apart from those taken, closer only if needed."""
    chosen: list[NDArray[np.intp]] = []
    pool = rng.permutation(corners)
    distance = np.full(len(pool), PATCH_SIZE, np.intp)
    for corner in taken:
        np.minimum(distance, np.abs(pool - corner).max(axis=1), out=distance)
    for apart in (PATCH_SIZE, 64, 48, 32, _STRIDE):
        while len(chosen) < wanted and (distance >= apart).any():
            corner = pool[int(np.argmax(distance >= apart))]
            np.minimum(distance, np.abs(pool - corner).max(axis=1), out=distance)
            chosen.append(corner)
    if len(chosen) < wanted:
        raise DataError(
            f"A demo slide holds only {len(chosen)} patches of one kind; expected {wanted}. Choose fewer "
            "patches per slide or another seed."
        )
    return chosen


def _tabulate(masks: Mask, seed: int, slides: int, per_slide: int) -> pd.DataFrame:
    names = np.array([f"demo-s{slide:02d}" for slide in range(slides)])
    split_of = _split_slides(seed, slides)
    slide = np.repeat(np.arange(slides), per_slide)
    patch = np.tile(np.arange(per_slide), slides)
    return pd.DataFrame(
        {
            "id": [f"{names[s]}-p{p:03d}" for s, p in zip(slide, patch, strict=True)],
            "label": pd.array(masks[:, CENTRE, CENTRE].any(axis=(1, 2)).astype(np.int8), dtype="Int8"),
            "split": split_of[slide],
            "slide": names[slide],
        }
    )


def _split_slides(seed: int, slides: int) -> NDArray[np.str_]:
    """Give about 15 % of the slides each to validation and test, at least one, and the rest to training."""
    held_out = max(1, round(0.15 * slides))
    order = np.random.default_rng([seed, _SPLIT_KEY]).permutation(slides)
    split = np.full(slides, "train", dtype="<U5")
    split[order[:held_out]] = "valid"
    split[order[held_out : 2 * held_out]] = "test"
    return split
