"""Random changes of training patches, a batch at a time, on the device of the batch.

Every random number comes from the generator that is passed in, so the same seed gives the same patches. Nothing here
changes what the label says, except for patches that are moved or blended with another: theirs no longer counts.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from core import d4
from core.data.store import CENTRE, PATCH_SIZE
from core.runs.config import Augmentation
from core.stain import RUIFROK_EOSIN, RUIFROK_HAEMATOXYLIN, RUIFROK_RESIDUAL
from core.training.jpeg import compress

CUTOUT_SIDE = 24
"""Side of the square that cutout takes, in pixels."""
MOVE = CENTRE.start
"""Pixels that a patch is moved at most: what comes into the centre is tissue, never its mirror image."""
QUALITY = (50, 96)
"""From and below: of JPEG files as scanners and archives write them."""
BLUR_RADIUS = 6
"""Pixels to each side: three standard deviations of the strongest blur."""

VIEWS = (0, 1, 2, 3, 4, 7, 6, 5)
"""Views of :mod:`core.d4` by the number that is drawn: augmentation rotates before it flips, and core.d4 flips before
it rotates. A run that is resumed has to give each number the meaning that it had, else its weights are others."""


def _corners() -> Tensor:
    """Return x and y (int, M×2) of the upper left corner of every square that does not cover the whole centre."""
    starts = torch.arange(PATCH_SIZE - CUTOUT_SIDE + 1)
    corners = torch.cartesian_prod(starts, starts)
    # Whether the range of x, and that of y, overlaps the centre; the square meets it only where both do.
    meets = (corners > CENTRE.start - CUTOUT_SIDE) & (corners < CENTRE.stop)
    return corners[~meets.all(dim=1)]


_CORNERS = _corners()
_STAINS = F.normalize(torch.tensor((RUIFROK_HAEMATOXYLIN, RUIFROK_EOSIN, RUIFROK_RESIDUAL)), dim=1)
_INVERSE = torch.linalg.inv(_STAINS)


@dataclass(frozen=True)
class Changes:
    """What was drawn for each of N patches; None where that kind of change is off. Drawn on the CPU.

    Attributes:
        which: the symmetry, int (N,).
        degrees: the angle of rotation, float (N,).
        factors: on haematoxylin and eosin, float (N, 2).
        shift: of the optical density, float (N,).
        sigma: of the blur in pixels, float (N,).
        corners: x and y of the square that is cut out, int (N, 2).
        chosen: whether one is, bool (N,).
        moved: whether a patch is moved, bool (N,).
        offsets: by how many pixels, x and y, int (N, 2); 0 where it is not.
        scales: what the patch is enlarged by, float (N,).
        quality: of a JPEG file, float (N,); 0 for none.
        partners: which patch of the batch it is blended with, int (N,).
        shares: how much of the blend that one is, float (N,); 0 for patches that are not blended.
    """

    which: Tensor | None = None
    degrees: Tensor | None = None
    factors: Tensor | None = None
    shift: Tensor | None = None
    sigma: Tensor | None = None
    corners: Tensor | None = None
    chosen: Tensor | None = None
    moved: Tensor | None = None
    offsets: Tensor | None = None
    scales: Tensor | None = None
    quality: Tensor | None = None
    partners: Tensor | None = None
    shares: Tensor | None = None

    def without_label(self) -> Tensor | None:
        """Return which patches no longer show what their label says, bool (N,); None where all do."""
        blended = None if self.shares is None else self.shares > 0
        if self.moved is None or blended is None:
            return self.moved if blended is None else blended
        return self.moved | blended

    def of(self, rows: slice) -> "Changes":
        """Return the changes of some of the patches."""
        return Changes(**{name: None if each is None else each[rows] for name, each in vars(self).items()})

    def changed(self, by: Callable[[Sequence[Tensor]], Sequence[Tensor]]) -> "Changes":
        """Return what a function makes of all that was drawn, as of a list."""
        drawn = {name: each for name, each in vars(self).items() if each is not None}
        return Changes(**dict(zip(drawn, by(list(drawn.values())), strict=True)))


def draw(count: int, settings: Augmentation, generator: torch.Generator) -> Changes:
    """Return random changes for `count` patches.

    Args:
        count: how many.
        settings: what is changed and how much.
        generator: on the CPU, whatever the device of the patches, so that a seed means the same everywhere.
    """
    # All kinds share one generator, so their order is part of what a seed means: a new kind is drawn last.
    found: dict[str, Tensor] = {}
    if settings.symmetries:
        found["which"] = torch.randint(8, (count,), generator=generator)
    if settings.rotation:
        found["degrees"] = (torch.rand(count, generator=generator) * 2 - 1) * settings.rotation
    if settings.stain or settings.brightness:
        # Log-normal: never below 0, and half as much stain is as likely as twice as much.
        found["factors"] = torch.exp(torch.randn(count, 2, generator=generator) * settings.stain)
        found["shift"] = torch.randn(count, generator=generator) * settings.brightness
    if settings.blur:
        found["sigma"] = torch.rand(count, generator=generator) * settings.blur
    if settings.cutout:
        found["chosen"] = torch.rand(count, generator=generator) < settings.cutout
        found["corners"] = _CORNERS[torch.randint(len(_CORNERS), (count,), generator=generator)]
    if settings.moved:
        found["moved"] = torch.rand(count, generator=generator) < settings.moved
        offsets = torch.randint(-MOVE, MOVE + 1, (count, 2), generator=generator)
        found["offsets"] = offsets * found["moved"][:, None]
    if settings.zoom:
        # Log-uniform: as likely enlarged as reduced.
        found["scales"] = (1 + settings.zoom) ** (torch.rand(count, generator=generator) * 2 - 1)
    if settings.jpeg:
        on = torch.rand(count, generator=generator) < settings.jpeg
        found["quality"] = torch.randint(*QUALITY, (count,), generator=generator) * on.float()
    if settings.blended:
        on = torch.rand(count, generator=generator) < settings.blended
        found["partners"] = torch.randperm(count, generator=generator)
        found["shares"] = torch.rand(count, generator=generator) * 0.5 * on
    return Changes(**found)


def apply(images: Tensor, changes: Changes) -> Tensor:
    """Return the images after their changes, float N×3×96×96 in [0, 1].

    Args:
        images: float in [0, 1] or uint8, N×3×96×96, which is quicker to flip and rotate; they are not changed.
        changes: one for each, on the same device.
    """
    images = images.contiguous()  # colour by colour, which every change is quicker with
    if changes.which is not None:
        images = symmetries(images, changes.which)
    if changes.offsets is not None:
        images = move(images, changes.offsets)
    if images.dtype == torch.uint8:
        images = images.float().div_(255)
    if changes.degrees is not None or changes.scales is not None:
        images = rotate(images, changes.degrees, changes.scales)
    if changes.factors is not None and changes.shift is not None:
        images = restain(images, changes.factors, changes.shift)
    if changes.sigma is not None:
        images = blur(images, changes.sigma)
    if changes.quality is not None:
        images = compress(images, changes.quality)
    # Last, because a rotation could bring the square into the centre, and a blur would mix it with tissue.
    if changes.corners is not None and changes.chosen is not None:
        images = cut_out(images, changes.corners, changes.chosen)
    return images


def symmetries(images: Tensor, which: Tensor) -> Tensor:
    """Return each image after the symmetry that `which` (int, N, 0 to 7) names for it, see :data:`VIEWS`."""
    if images.device.type != "cpu":
        return looked_up(images, which)
    result = torch.empty_like(images)  # one by one, each in the cache of the processor
    for image, place, number in zip(images.numpy(), result.numpy(), which.tolist(), strict=True):
        place[...] = d4.view(image, VIEWS[number])
    return result


def looked_up(images: Tensor, which: Tensor) -> Tensor:
    """Return what :func:`symmetries` does, in one pass for all images, which a GPU is quicker with."""
    places = _places(images.shape[-1], images.device)[which][:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, places).view(images.shape)


@functools.cache
def _places(side: int, device: torch.device) -> Tensor:
    """Return where each pixel of each view comes from in the flattened square, int (8, side²)."""
    square = torch.arange(side * side).view(side, side)
    return torch.stack([d4.view(square, view).flatten() for view in VIEWS]).to(device)


@functools.cache
def _stains(device: torch.device) -> tuple[Tensor, Tensor]:
    return _STAINS.to(device), _INVERSE.to(device)


def move(images: Tensor, offsets: Tensor) -> Tensor:
    """Return each image moved by its x and y (int, N×2, pixels to the right and down), mirrored at the edge."""
    count, colours, height, width = images.shape
    columns = _mirrored(torch.arange(width, device=images.device) - offsets[:, :1], width)
    rows = _mirrored(torch.arange(height, device=images.device) - offsets[:, 1:], height)
    # Four index arrays that broadcast to N×3×96×96: every pixel is looked up in its own image, colour, row and column.
    number = torch.arange(count, device=images.device)[:, None, None, None]
    colour = torch.arange(colours, device=images.device)[None, :, None, None]
    return images[number, colour, rows[:, None, :, None], columns[:, None, None, :]]


def _mirrored(place: Tensor, side: int) -> Tensor:
    """Return places in [0, side) for places less than a side outside: 0 1 2 | 2 1 0."""
    place = torch.where(place < 0, -1 - place, place)
    return torch.where(place >= side, 2 * side - 1 - place, place)


def blend(images: Tensor, others: Tensor, shares: Tensor) -> Tensor:
    """Return images, uint8 N×3×96×96, with a share (float, N) of others; a share of 0 changes nothing."""
    mixed = torch.lerp(images.float(), others.float(), shares[:, None, None, None])
    return mixed.round_().to(torch.uint8)


def rotate(images: Tensor, degrees: Tensor | None = None, scales: Tensor | None = None) -> Tensor:
    """Return each image rotated about its centre and enlarged; what comes in from outside is mirrored at the edge.

    Args:
        images: N×3×96×96.
        degrees: the angles (N,); none without them.
        scales: what is enlarged by (N,), below 1 to reduce; nothing is without them.
    """
    angle = images.new_zeros(len(images)) if degrees is None else degrees * (math.pi / 180)
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    if scales is not None:
        cos, sin = cos / scales, sin / scales
    matrix = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def restain(images: Tensor, factors: Tensor, shift: Tensor) -> Tensor:
    """Return images with other amounts of stain.

    The optical density, floored as :func:`core.stain.optical_density` does it for 8-bit levels, is split into
    haematoxylin, eosin and a residual; the first two are multiplied by `factors` (N, 2), and `shift` (N) is added to
    the density of all colours.
    """
    scales = torch.cat([factors, torch.ones_like(factors[:, :1])], dim=1)
    stains, inverse = _stains(images.device)
    change = inverse @ (scales[:, :, None] * stains)  # N×3×3, acts on rows of densities
    # In place and colour by colour: on a CPU fresh memory costs more than the logarithm, and mixing interleaved colours
    # ten times as much as mixing planes. The density's sign is inverted in the factors.
    planes = images.contiguous().flatten(2).clamp(min=1 / 255).log_()
    # Planes hold -density. A result above 0 would be brighter than white.
    mixed = torch.baddbmm(-shift[:, None, None], change.transpose(1, 2), planes)
    return mixed.clamp_(max=0).exp_().view(images.shape)


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Return each image under a Gaussian blur of its own standard deviation (N, pixels, at most 2); 0 changes nothing.

    What lies outside is the image mirrored at its edge.
    """
    offsets = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, device=images.device, dtype=images.dtype)
    # At the least sigma all neighbours underflow to 0, so that the kernel is 1 in the middle and nothing is changed.
    kernel = torch.exp(-(offsets**2) / (2 * sigma.to(images.dtype).clamp(min=1e-3)[:, None] ** 2))
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(3, dim=0)  # 3N×13, a row for each colour
    count, _, height, width = images.shape
    # Every image has a kernel of its own: all their colours are channels of one image, each convolved as a group. Along
    # rows and then columns, 2 × 13 products for a pixel in place of 13².
    layers = images.reshape(1, count * 3, height, width)
    layers = F.pad(layers, (BLUR_RADIUS,) * 4, mode="reflect")
    layers = F.conv2d(layers, kernel[:, None, :, None], groups=count * 3)
    layers = F.conv2d(layers, kernel[:, None, None, :], groups=count * 3)
    return layers.reshape(images.shape)


def cut_out(images: Tensor, corners: Tensor, chosen: Tensor) -> Tensor:
    """Return images with a square of their own mean colour.

    Args:
        images: N×3×96×96.
        corners: x and y (int, N×2) of each square's upper left corner.
        chosen: bool (N,); the other images stay as they are.
    """
    place = torch.arange(images.shape[-1], device=images.device)
    inside = (place >= corners[..., None]) & (place < corners[..., None] + CUTOUT_SIDE)  # N×2×96: columns, rows
    square = inside[:, 1, :, None] & inside[:, 0, None, :] & chosen[:, None, None]
    return torch.where(square[:, None], images.mean(dim=(2, 3), keepdim=True), images)
