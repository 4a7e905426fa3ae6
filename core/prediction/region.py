"""A probability for every place of a larger picture, and where it means nothing: no tissue, out of distribution.

A network without padding, applied to the whole picture at once, gives the logit of every patch on a fine grid: what
neighbouring patches share is computed once. The picture is read in blocks that overlap by what a patch sees, so that
memory stays bounded and no seam is left. Other networks read one patch after the other, on a grid of centres.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.bundle.bundle import Bundle
from core.bundle.card import INTENDED_USE
from core.data import PATCH_SIZE
from core.data.store import CENTRE
from core.display import CLASS_COLOURS, MUTED, rgb
from core.errors import PatchError
from core.images.tiling import grid
from core.images.tissue import FEWEST, centre_shares, tissue
from core.memory import in_portions
from core.prediction.ood_warnings import OodWarnings, examine
from core.prediction.predictor import Predictor
from core.progress import Progress, no_progress
from models.nodescope_net import STRIDE

BLOCK = 96
"""Values along each side of a block: a picture of 856×856 pixels at once, about 200 MB."""

SIDE = CENTRE.stop - CENTRE.start
"""Pixels between two patches that are read one by one: their centres lie side by side, without gap or overlap."""

AT_ONCE = 128
"""Patches between two reports of progress."""

_VEIL = 0.25  # how much grey lies over places without tissue


@dataclass(frozen=True)
class ExaminedTile:
    """Whether a tile of a picture resembles what the bundle was trained on.

    Attributes:
        at: x and y of its upper left corner.
        ood: its OOD warnings; None where the centre has no tissue, and nothing was examined.
    """

    at: tuple[int, int]
    ood: OodWarnings | None


@dataclass(frozen=True, eq=False)
class RegionMap:
    """What a bundle predicts for every patch of a picture on a grid.

    Attributes:
        probabilities: float64 R×C, calibrated: value (i, j) is that of the patch whose upper left corner is at
            x = step · j, y = step · i, and is about that patch's centre.
        threshold: from this probability on the verdict is tumour.
        tissue: bool R×C, whether the centre of each patch has tissue; None counts all of them.
        tiles: OOD warnings of the tiles of 96×96 side by side; empty where they were not examined.
        step: pixels from one patch to the next.
    """

    probabilities: np.ndarray
    threshold: float
    tissue: npt.NDArray[np.bool_] | None = None
    tiles: tuple[ExaminedTile, ...] = ()
    step: int = STRIDE

    @property
    def area(self) -> tuple[int, int, int, int]:
        """(left, upper, right, lower): the pixels nearest to the middle of some patch, a square of `step` each."""
        rows, columns = self.probabilities.shape
        # A patch has its middle at 48, and a square of 8 around that begins at 44.
        start = (PATCH_SIZE - self.step) // 2
        return start, start, start + columns * self.step, start + rows * self.step

    @property
    def unusual(self) -> tuple[ExaminedTile, ...]:
        """The tiles that are out of distribution."""
        return tuple(tile for tile in self.tiles if tile.ood)

    def called(self, threshold: float | None = None) -> npt.NDArray[np.bool_]:
        """Return which places are called tumour, bool R×C: never one without tissue."""
        found = self.probabilities >= (self.threshold if threshold is None else threshold)
        return found if self.tissue is None else found & self.tissue

    def share(self, threshold: float | None = None) -> float:
        """Return the share of the places with tissue that are called tumour; 0 where there is no tissue."""
        places = self.probabilities.size if self.tissue is None else int(self.tissue.sum())
        return float(self.called(threshold).sum() / places) if places else 0.0

    def tissue_share(self) -> float:
        """Return the share of the places that have tissue."""
        return 1.0 if self.tissue is None else float(self.tissue.mean())

    @property
    def highest(self) -> float:
        """The highest probability of a place with tissue; 0 where there is none."""
        found = self.probabilities if self.tissue is None else self.probabilities[self.tissue]
        return float(found.max(initial=0.0))

    def overlay(self, pixels: np.ndarray, *, opacity: float = 0.6, threshold: float | None = None) -> np.ndarray:
        """Return the picture, uint8 H×W×3, with red laid over it.

        What is called tumour is the redder the higher its probability; places without tissue are greyed; all else, and
        the border that is nowhere the middle of a patch, stays as it is, with a grey line between them. Tiles that are
        out of distribution have a dashed frame.

        Args:
            pixels: the picture, uint8 H×W×3.
            opacity: of a probability of 1.
            threshold: from here on there is colour; the bundle's own if None.
        """
        shown = np.where(self.called(threshold), self.probabilities, 0.0)
        left, upper, right, lower = self.area
        result = pixels.copy()
        window = result[upper:lower, left:right]
        if self.tissue is not None:
            veil = _VEIL * self._enlarged(~self.tissue)
            window[:] = _mixed(window, MUTED, veil)
        window[:] = _mixed(window, CLASS_COLOURS[1], opacity * self._enlarged(shown))
        # The line lies just outside the area; at least 32 pixels remain on each side, so it never leaves the picture.
        result[[upper - 1, lower], left - 1 : right + 1] = rgb(MUTED)
        result[upper - 1 : lower + 1, [left - 1, right]] = rgb(MUTED)
        for tile in self.unusual:
            _dash(result, tile.at)
        return result

    def _enlarged(self, values: np.ndarray) -> np.ndarray:
        """Return values R×C for each pixel of the area, float32 H×W×1."""
        left, upper, right, lower = self.area
        # Fine values blend into each other; a coarse one is shown as the square that it is about.
        how = Image.Resampling.BILINEAR if self.step == STRIDE else Image.Resampling.NEAREST
        small = Image.fromarray(values.astype(np.float32))
        return np.asarray(small.resize((right - left, lower - upper), how))[..., None]

    def table(self) -> str:
        """Return CSV: x and y of the middle of each patch in pixels, and its probability.

        Where they were examined, also whether there is tissue, and whether the tile around that place is out of
        distribution (empty where it is in no tile), as 1 or 0.
        """
        rows, columns = self.probabilities.shape
        half = PATCH_SIZE // 2
        unusual = self._unusual_places() if self.tiles else None
        header = "x,y,probability" + (",tissue" if self.tissue is not None else "")
        lines = [header + (",out_of_distribution" if unusual is not None else "")]
        for i in range(rows):
            for j in range(columns):
                line = f"{half + self.step * j},{half + self.step * i},{self.probabilities[i, j]:.6f}"
                if self.tissue is not None:
                    line += f",{int(self.tissue[i, j])}"
                if unusual is not None:
                    line += "," if unusual[i, j] < 0 else f",{unusual[i, j]}"
                lines.append(line)
        return "\n".join(lines) + "\n"

    def _unusual_places(self) -> np.ndarray:
        """Return int8 R×C: 1 where the tile around a place is out of distribution, 0 where not, -1 outside of tiles."""
        found = np.full(self.probabilities.shape, -1, np.int8)
        rows, columns = (PATCH_SIZE // 2 + self.step * np.arange(count) for count in self.probabilities.shape)
        for tile in self.tiles:
            x, y = tile.at
            down, across = (rows >= y) & (rows < y + PATCH_SIZE), (columns >= x) & (columns < x + PATCH_SIZE)
            found[np.ix_(down, across)] = int(bool(tile.ood))
        return found

    def to_json(self) -> dict[str, Any]:
        """Return plain values: the grid, probability and tissue of each place, and the tiles."""
        half = PATCH_SIZE // 2
        return {
            "threshold": self.threshold,
            "first": [half, half],
            "step": self.step,
            "probabilities": self.probabilities.round(6).tolist(),
            "tissue": None if self.tissue is None else self.tissue.astype(int).tolist(),
            "tiles": [
                {
                    "x": tile.at[0],
                    "y": tile.at[1],
                    "tissue": tile.ood is not None,
                    "out_of_distribution": bool(tile.ood),
                    "ood_score": None if tile.ood is None else tile.ood.ood_score,
                    "sentence": tile.ood.sentence if tile.ood else "",
                }
                for tile in self.tiles
            ],
        }


def map_about(bundle: Bundle, threshold: float, region: RegionMap | None = None) -> dict[str, str]:
    """Return the metadata of a saved map, stored in its file beside the picture."""
    about = {
        "Title": "Probability of tumour in the centre of each 96×96 patch, red from the threshold on",
        "Software": "Nodescope",
        "Model": f"{bundle.card.name} ({bundle.digest})",
        "Threshold": f"{threshold:.4f}",
        "Disclaimer": INTENDED_USE,
    }
    if region is not None and region.tissue is not None:
        about["Tissue"] = f"{region.tissue_share():.1%} of the places; those without are grey"
    if region is not None and region.tiles:
        places = "; ".join(f"({x}, {y})" for x, y in (tile.at for tile in region.unusual))
        about["Out of distribution"] = (
            f"{len(region.unusual)} of {len(region.tiles)} tiles of 96×96 pixels, framed with a dashed line"
            + (f", with their upper left corner at {places}" if places else "")
        )
    return about


def map_json(bundle: Bundle, threshold: float, region: RegionMap) -> str:
    """Return a map as JSON: what :func:`map_about` says of it, and :meth:`RegionMap.to_json`."""
    values = {**region.to_json(), "threshold": threshold}
    return json.dumps({"about": map_about(bundle, threshold, region), **values}, ensure_ascii=False) + "\n"


def read_region(predictor: Predictor, pixels: np.ndarray, *, progress: Progress = no_progress) -> RegionMap:
    """Return what a bundle predicts for every patch of a picture, and where its centre has tissue.

    Args:
        predictor: the bundle on its device.
        pixels: uint8 H×W×3, at least 96×96, at the scale of the patches.
        progress: receives the finished share after each block.

    Raises:
        PatchError: the picture is too small, or no such array.
    """
    probabilities = probabilities_of(predictor, pixels, progress=progress)
    step = _step(predictor)
    rows, columns = probabilities.shape
    corners = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2) * step
    has_tissue = centre_shares(tissue(pixels), corners).reshape(rows, columns) >= FEWEST
    return RegionMap(probabilities, predictor.bundle.card.threshold, has_tissue, step=step)


def probabilities_of(
    predictor: Predictor, pixels: np.ndarray, *, progress: Progress = no_progress
) -> npt.NDArray[np.float64]:
    """Return the probability of every patch of a picture on a grid, of 8 pixels where the network can, else of 32.

    Each value is, to 1e-5 of the logit, that of the patch predicted by itself.

    Args:
        predictor: a bundle; one without padding and stain normalisation is quicker and has the finer grid, see
            :attr:`Predictor.reads_regions`.
        pixels: uint8 H×W×3, at least 96×96, at the scale of the patches.
        progress: receives the finished share after each block.

    Returns:
        float64 R×C, as :attr:`RegionMap.probabilities`.

    Raises:
        PatchError: the picture is too small, or no such array.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or min(pixels.shape[:2]) < PATCH_SIZE:
        raise PatchError(
            f"A picture must be uint8 H×W×3 with sides of at least {PATCH_SIZE}, got {pixels.dtype} "
            f"{'×'.join(map(str, pixels.shape))}."
        )
    step = _step(predictor)
    rows, columns = ((side - PATCH_SIZE) // step + 1 for side in pixels.shape[:2])
    logits = np.empty((rows, columns), np.float32)

    def fill(block: int) -> None:
        for done in _in_blocks(predictor, pixels, logits, block):
            progress(done)

    if predictor.reads_regions:
        in_portions(fill, BLOCK, predictor.device, less=lambda _: None)
    else:
        for done in _one_by_one(predictor, pixels, logits):
            progress(done)
    return predictor.bundle.card.calibration.apply(logits)


def _step(predictor: Predictor) -> int:
    return STRIDE if predictor.reads_regions else SIDE


def _in_blocks(predictor: Predictor, pixels: np.ndarray, logits: np.ndarray, side: int) -> Iterator[float]:
    """Fill in the logits of a network without padding, side×side at once; yield the finished share."""
    rows, columns = logits.shape
    corners = [(row, column) for row in range(0, rows, side) for column in range(0, columns, side)]
    for done, (row, column) in enumerate(corners, start=1):
        # A view, smaller at the right and lower edge; its n values need 8(n - 1) + 96 pixels, so blocks overlap by 88.
        block = logits[row : row + side, column : column + side]
        upper, left = row * STRIDE, column * STRIDE
        height, width = (STRIDE * (count - 1) + PATCH_SIZE for count in block.shape)
        block[:] = predictor.logit_map(pixels[upper : upper + height, left : left + width])
        yield done / len(corners)


def _one_by_one(predictor: Predictor, pixels: np.ndarray, logits: np.ndarray) -> Iterator[float]:
    """Fill in the logits of any network; yield the finished share."""
    flat, columns = logits.reshape(-1), logits.shape[1]  # a view
    for start in range(0, len(flat), AT_ONCE):
        chosen = [divmod(number, columns) for number in range(start, min(start + AT_ONCE, len(flat)))]
        cut = _cut(pixels, [(SIDE * column, SIDE * row) for row, column in chosen])
        flat[start : start + len(chosen)] = predictor.predict(cut).logits
        yield (start + len(chosen)) / len(flat)


def examine_tiles(
    predictor: Predictor, pixels: np.ndarray, *, progress: Progress = no_progress
) -> tuple[ExaminedTile, ...]:
    """Return the OOD warnings of the tiles of a picture, row by row.

    Args:
        predictor: the bundle on its device.
        pixels: uint8 H×W×3, at the scale of the patches.
        progress: receives the finished share.
    """
    corners = grid((pixels.shape[1], pixels.shape[0]))
    filled = np.flatnonzero(centre_shares(tissue(pixels), np.array(corners)) >= FEWEST)
    found: dict[int, OodWarnings] = {}
    for start in range(0, len(filled), AT_ONCE):
        chosen = filled[start : start + AT_ONCE].tolist()
        found.update(zip(chosen, examine(predictor, _cut(pixels, [corners[each] for each in chosen])), strict=True))
        progress(len(found) / len(filled))
    return tuple(ExaminedTile(at, found.get(number)) for number, at in enumerate(corners))


def _cut(pixels: np.ndarray, corners: list[tuple[int, int]]) -> np.ndarray:
    return np.stack([pixels[y : y + PATCH_SIZE, x : x + PATCH_SIZE] for x, y in corners])


def _mixed(pixels: np.ndarray, colour: str, alpha: np.ndarray) -> np.ndarray:
    return np.asarray(np.rint(pixels * (1 - alpha) + np.array(rgb(colour)) * alpha), dtype=np.uint8)


def _dash(pixels: np.ndarray, at: tuple[int, int]) -> None:
    """Draw a dashed frame, two pixels wide, just inside a tile: black and white, to be seen on any tissue."""
    x, y = at
    box = pixels[y + 2 : y + PATCH_SIZE - 2, x + 2 : x + PATCH_SIZE - 2]
    dashes = np.where(np.arange(len(box)) % 12 < 7, 40, 240)[:, None, None]
    for side in (box[:2].swapaxes(0, 1), box[-2:].swapaxes(0, 1), box[:, :2], box[:, -2:]):
        side[:] = dashes
