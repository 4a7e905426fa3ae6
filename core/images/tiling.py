"""Pictures that are no patch: rescaled to the model's µm per pixel, cut in tiles, or one patch of them."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, PatchError
from core.images.colour_modes import RefusedError
from core.images.decode import MAX_PIXELS, DecodedPatch, Whole, corner_of, crop_notes, decode_patch, decode_whole
from core.images.mpp import LEAST_MPP, read_mpp
from core.images.patch import MICROMETRES_PER_PIXEL as MPP
from core.images.patch import PATCH_SIZE
from core.images.resample import resampled
from core.images.sizes import LARGEST_ENLARGEMENT

COARSEST = 1.5
"""µm per pixel from which on a picture is refused: enlarging brings no detail back."""

MOST_TILES = 1_024
"""Tiles of one picture at most; about 20 seconds on one CPU core."""


@dataclass(frozen=True)
class Sizing:
    """What is done to a picture that is not 96×96 pixels.

    Attributes:
        cut: "crop" takes its centre, "tiles" everything in tiles of 96×96 side by side.
        mpp: µm per pixel of the picture, which is then first rescaled to 0.97; "file" takes what the file says and
            refuses one that says nothing; None leaves the scale as it is.

    Raises:
        ConfigError: µm per pixel out of range.
    """

    cut: Literal["crop", "tiles"] = "crop"
    mpp: float | Literal["file"] | None = None

    def __post_init__(self) -> None:
        if self.cut not in ("crop", "tiles"):
            raise ConfigError(f"A picture is cut by 'crop' or 'tiles', not by {self.cut!r}; choose one of them.")
        if isinstance(self.mpp, float | int) and not LEAST_MPP <= self.mpp <= COARSEST:
            raise ConfigError(
                f"{self.mpp:g} µm per pixel is out of range; give {LEAST_MPP} to {COARSEST}, such as 0.25 for a scan "
                "at 40× or 0.5 at 20×. Coarser pictures lack the detail that the model reads."
            )


@dataclass(frozen=True, eq=False)
class Tile:
    """A patch and where it was cut out.

    Attributes:
        at: (x, y) of its upper left corner in the whole picture, which may have been rescaled; None where the picture
            gave this patch only.
        decoded: the patch.
    """

    at: tuple[int, int] | None
    decoded: DecodedPatch


def prepare(
    data: bytes,
    *,
    name: str = "image",
    mpp: float | Literal["file"] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Whole:
    """Decode a whole picture and rescale it where its µm per pixel are given, see :mod:`core.images.resample`.

    Args:
        data: the whole file.
        name: what to call it in an error.
        mpp: see :class:`Sizing`.
        max_pixels: larger pictures are refused.

    Raises:
        PatchError: it cannot be read, is smaller than a patch at that scale, or does not tell its scale.
    """
    whole = decode_whole(data, name=name, max_pixels=max_pixels)
    if mpp == "file":
        mpp, said = read_mpp(data)
        if mpp is None:
            raise PatchError(
                f"{name}: {said}; give µm per pixel yourself, or leave its scale as it is "
                "(in commands: --mpp 0.5, or no --mpp)."
            )
        if mpp > LARGEST_ENLARGEMENT * MPP:
            raise PatchError(
                f"{name}: It says {mpp:.3g} µm per pixel and would be enlarged {mpp / MPP:.1f} times; at most "
                f"{LARGEST_ENLARGEMENT} is done unless you give its µm per pixel yourself (up to {COARSEST}), because "
                "enlarging brings no detail back."
            )
    return at_model_scale(whole, name=name, mpp=mpp)


def at_model_scale(whole: Whole, *, name: str = "image", mpp: float | None) -> Whole:
    """Return a decoded picture rescaled where its µm per pixel are given, as :func:`prepare` does it.

    Raises:
        PatchError: it is smaller than a patch at that scale.
    """
    pixels, notes = whole.pixels, whole.notes
    if mpp is not None and abs(mpp / MPP - 1) > 0.001:  # closer than that, resampling would only blur
        pixels = rescale(pixels, mpp)
        notes = (*notes, _rescaled(whole.size, pixels, mpp))
    height, width = pixels.shape[:2]
    if min(height, width) < PATCH_SIZE:
        at = "" if mpp is None else f" at {MPP} µm per pixel"
        raise PatchError(
            f"{name}: Got {width}×{height} pixels{at}, but a patch needs {PATCH_SIZE}×{PATCH_SIZE}; cut a larger "
            "region from the slide."
        )
    return Whole(pixels, notes)


def rescale(pixels: npt.NDArray[np.uint8], mpp: float) -> npt.NDArray[np.uint8]:
    """Return a picture with `mpp` µm per pixel at 0.97 µm per pixel, uint8 H×W×3 both; less than a pixel is cut off."""
    factor = mpp / MPP
    # 1e-9, so that a length that is whole but for rounding does not lose a pixel.
    width, height = (max(1, int(length * factor + 1e-9)) for length in (pixels.shape[1], pixels.shape[0]))
    box = (0.0, 0.0, min(width / factor, pixels.shape[1]), min(height / factor, pixels.shape[0]))
    return resampled(pixels, box, (width, height))


def crop(whole: Whole, *, at: tuple[int, int] | None = None) -> DecodedPatch:
    """Return one patch, at (x, y) or from the centre. Raises :class:`PatchError` if it does not lie within."""
    try:
        x, y = corner_of(whole.size, at)
    except RefusedError as refusal:
        raise PatchError(str(refusal)) from None
    patch = np.ascontiguousarray(whole.pixels[y : y + PATCH_SIZE, x : x + PATCH_SIZE])
    return DecodedPatch(patch, (*whole.notes, *crop_notes(whole.size, at)))


def places(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return (x, y) of the tiles of a picture (width, height), row by row; the remainder is shared by both edges.

    Raises:
        PatchError: there are more than :data:`MOST_TILES`.
    """
    found = grid(size)
    if len(found) > MOST_TILES:
        raise PatchError(
            f"The picture makes {len(found):,} tiles of 96×96 pixels, but at most {MOST_TILES:,} are taken; give "
            "its µm per pixel, if it is finer than 0.97, or cut a region out of it."
        )
    return found


def grid(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the same places as :func:`places`, however many there are."""
    width, height = size
    across, down = width // PATCH_SIZE, height // PATCH_SIZE
    left, top = (width - across * PATCH_SIZE) // 2, (height - down * PATCH_SIZE) // 2
    return [(left + column * PATCH_SIZE, top + row * PATCH_SIZE) for row in range(down) for column in range(across)]


def tiles(whole: Whole, *, name: str = "image") -> list[Tile]:
    """Return all tiles of a picture, row by row. Raises :class:`PatchError` if there are too many."""
    try:
        corners = places(whole.size)
    except PatchError as error:
        raise PatchError(f"{name}: {error}") from error
    note = f"One of {len(corners):,} tiles of {whole.size[0]:,}×{whole.size[1]:,} pixels."
    return [Tile(at, replace(crop(whole, at=at), notes=(*whole.notes, note))) for at in corners]


def patches_of(data: bytes, *, name: str, sizing: Sizing, max_pixels: int = MAX_PIXELS) -> list[Tile]:
    """Return the patches that a file gives, one or its tiles.

    Raises:
        PatchError: it cannot be used.
    """
    if sizing == Sizing():
        return [Tile(None, decode_patch(data, name=name, max_pixels=max_pixels))]
    whole = prepare(data, name=name, mpp=sizing.mpp, max_pixels=max_pixels)
    if sizing.cut == "crop" or whole.size == (PATCH_SIZE, PATCH_SIZE):
        return [Tile(None, crop(whole))]
    return tiles(whole, name=name)


def _rescaled(size: tuple[int, int], pixels: npt.NDArray[np.uint8], mpp: float) -> str:
    height, width = pixels.shape[:2]
    note = f"Rescaled from {mpp:.3g} to {MPP} µm per pixel: {size[0]:,}×{size[1]:,} became {width:,}×{height:,} pixels."
    return f"{note} It was enlarged, so that fine detail is missing." if mpp > 1.1 * MPP else note
