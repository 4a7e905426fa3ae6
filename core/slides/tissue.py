"""Where on a slide there is tissue, at about 8 µm per pixel: colour and optical density against the slide's own glass.

Three signs of tissue, each enough by itself: it absorbs light as stain does (green most); it is tinted and has texture,
as fat has, whose cells are empty and whose walls are thin; or it is very dark. Dust and scratches are grey. Ink of felt
pens absorbs red or blue more than green, or all alike, or blue as much as green and no red; it is found first and is no
tissue.

:mod:`core.images.tissue` looks at patches of 0.97 µm per pixel by colour alone; at 8 µm per pixel it loses one patch in
nine, most of them pale or of fat.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from core.progress import Progress, no_progress
from core.slides.reader import Slide

MPP = 8.0
"""µm per pixel of the mask. A slide that is coarser than this is looked at as it is."""

SPECK_MM2 = 0.02
"""Smaller pieces are dust; an isolated piece of tissue of 0.14 mm across is larger."""

HOLE_MM2 = 0.1
"""Smaller holes are vessels, tears and fat, whose cells are part of the tissue."""

PEN_MM2 = 0.1
"""Smaller patches of a foreign colour are pigment, not ink."""

# Optical densities (natural logarithm) above the glass.
_STAINED = 0.040  # of green above the mean of red and blue
_TINT = 0.010  # the same where there is texture too; dust and scratches have none
_TEXTURE = 0.020  # spread within a window
_DARK = 0.60  # whatever the colour
_INK = 0.35
_RED_INK = 0.90

_FINE = 20.0  # µm
_WINDOW = 40.0  # µm, about a fat cell
_GAP = 16.0  # µm

Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tissue:
    """A mask of a whole slide.

    Attributes:
        mask: bool H×W, True where there is tissue.
        pen: bool H×W, True where there is ink.
        scale: level-0 pixels a pixel of the mask.
        picture: uint8 H×W×3, what was looked at.
        glass: red, green and blue of the empty glass, 0 to 255.
    """

    mask: Mask
    pen: Mask
    scale: float
    picture: npt.NDArray[np.uint8]
    glass: tuple[int, int, int]

    def shares(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], side: float) -> npt.NDArray[np.float64]:
        """Return the share of tissue in squares, exactly by area, float64 (rows, columns).

        Args:
            x: left edges in level-0 pixels, (columns,).
            y: upper edges, (rows,).
            side: of the squares.
        """
        left, right, top, bottom = (each / self.scale for each in (x, x + side, y, y + side))
        sums = np.zeros((self.mask.shape[0], self.mask.shape[1] + 1), np.int32)
        np.cumsum(self.mask, axis=1, out=sums[:, 1:])
        across = _between(sums, left, right)
        down = np.zeros((across.shape[0] + 1, across.shape[1]))
        np.cumsum(across, axis=0, out=down[1:])
        return np.asarray(_between(down.T, top, bottom).T / (side / self.scale) ** 2)


def find_tissue(slide: Slide, mpp: float, *, progress: Progress = no_progress) -> Tissue:
    """Find the tissue of a slide.

    Args:
        slide: the slide.
        mpp: its µm per level-0 pixel.
        progress: receives the finished share.

    Raises:
        DataError: the file is damaged.
    """
    scale = max(1.0, MPP / mpp)
    width, height = (max(1, round(side / scale)) for side in slide.size)
    picture = np.empty((height, width, 3), np.uint8)
    band = max(1, 4_000_000 // width)
    for top in range(0, height, band):
        rows = min(band, height - top)
        picture[top : top + rows] = slide.read(0, top, width, rows, scale=scale)
        progress((top + rows) / height)
    return tissue_of(picture, scale=scale, mpp=mpp)


def tissue_of(picture: npt.NDArray[np.uint8], *, scale: float, mpp: float) -> Tissue:
    """Find the tissue in the picture of a whole slide; `mpp` is of level 0, and each pixel is `scale` of those."""
    glass = _glass(picture)
    calm = ndimage.median_filter(picture, size=(3, 3, 1))  # of bytes, a quarter of the memory; the order stays the same
    levels = np.arange(256, dtype=np.float32) + 1
    red, green, blue = (-np.log(levels / (glass[each] + 1))[calm[..., each]] for each in range(3))
    mean = (red + green + blue) / 3
    area = (scale * mpp / 1000) ** 2
    pen = _large(_is_ink(red, green, blue, mean), PEN_MM2 / area)
    if pen.any():
        pen = ndimage.binary_dilation(pen, iterations=2)  # its edges are paler
    fine, window = (round(width / (scale * mpp)) | 1 for width in (_FINE, _WINDOW))  # odd, so that they have a middle
    colour = ndimage.uniform_filter(green - (red + blue) / 2, fine)
    del red, green, blue  # a slide of 100,000 pixels each way has ten million here
    smooth = ndimage.uniform_filter(mean, window)
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(mean**2, window) - smooth**2, 0))  # 0 where a pixel is a window
    textured = (spread > _TEXTURE) & (colour > _TINT)
    found = ((colour > _STAINED) | textured | (mean > _DARK)) & ~pen
    closed = int(_GAP / (scale * mpp))
    if closed:
        found = ndimage.binary_closing(found, iterations=closed)
    found = ndimage.binary_opening(found)
    found = _large(found, SPECK_MM2 / area)
    holes = ~found & ~pen
    found |= holes & ~_large(holes, HOLE_MM2 / area)
    return Tissue(found & ~pen, pen, scale, picture, glass)


def _glass(picture: npt.NDArray[np.uint8]) -> tuple[int, int, int]:
    """Return the colour of empty glass: the most frequent bright grey; white where there is none."""
    sample = picture[:: max(1, picture.shape[0] // 1000), :: max(1, picture.shape[1] // 1000)].reshape(-1, 3)
    low, high = sample.min(axis=1), sample.max(axis=1)
    bright = sample[(low >= 200) & (high - low <= 14)]
    if len(bright) < 0.01 * len(sample):
        return (245, 245, 245)
    level = int(np.bincount(bright[:, 1], minlength=256).argmax())
    near = bright[abs(bright[:, 1].astype(int) - level) <= 3]
    red, green, blue = (int(each) for each in np.median(near, axis=0))
    return red, green, blue


def _is_ink(
    red: npt.NDArray[np.float32], green: npt.NDArray[np.float32], blue: npt.NDArray[np.float32],
    mean: npt.NDArray[np.float32],
) -> Mask:  # fmt: skip
    """Return where the colour is one of ink: blue, green, black or, where it is strong, red."""
    blue_ink = (red > 1.2 * green) & (red > _INK)
    green_ink = (np.minimum(red, blue) > 1.25 * green) & (np.minimum(red, blue) > _INK)
    black_ink = (mean > 1.2) & (
        np.maximum(np.maximum(red, green), blue) < 1.15 * np.minimum(np.minimum(red, green), blue)
    )
    # Eosin absorbs blue much less than green. Pale red ink has the colour of blood, and is not told.
    strong = np.minimum(green, blue)
    red_ink = (strong > _RED_INK) & (red < 0.35 * strong) & (blue > 0.7 * green)
    return np.asarray(blue_ink | green_ink | black_ink | red_ink)


def _large(mask: Mask, least: float) -> Mask:
    """Return the connected pieces of a mask that have at least so many pixels."""
    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    return np.asarray((sizes >= least)[labels])


def _between(sums: npt.NDArray[Any], start: Places, stop: Places) -> Places:
    """Return what lies between places along the last axis of cumulated values: linear between them, exact by area."""
    return np.asarray(_at(sums, stop) - _at(sums, start))


def _at(sums: npt.NDArray[Any], place: Places) -> Places:
    clipped = np.clip(place, 0, sums.shape[-1] - 1)
    below = np.minimum(clipped.astype(np.int64), sums.shape[-1] - 2)
    share = clipped - below
    return np.asarray(sums[..., below] * (1 - share) + sums[..., below + 1] * share)
