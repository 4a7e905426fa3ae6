"""Random changes of training patches, a batch at a time, on the device of the batch.

Every random number comes from the generator that is passed in, so the same seed gives the same patches. Nothing here
moves the label out of the centre.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from core.training.config import Augmentation

# Optical densities of haematoxylin, eosin and a residual in red, green, blue; Ruifrok & Johnston 2001.
STAINS = ((0.650, 0.704, 0.286), (0.072, 0.990, 0.105), (0.268, 0.570, 0.776))


def augment(images: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Return changed copies of float N×3×96×96 in [0, 1].

    Args:
        images: the batch; it is not changed.
        settings: what is changed and how much.
        generator: on the CPU, whatever the device of the batch, so that a seed means the same everywhere.
    """
    if settings.symmetries:
        images = symmetries(images, torch.randint(8, (len(images),), generator=generator))
    if settings.rotation:
        degrees = (torch.rand(len(images), generator=generator) * 2 - 1) * settings.rotation
        images = rotate(images, degrees.to(images.device))
    if settings.stain or settings.brightness:
        factors = torch.exp(torch.randn(len(images), 2, generator=generator) * settings.stain)
        shift = torch.randn(len(images), generator=generator) * settings.brightness
        images = restain(images, factors.to(images.device), shift.to(images.device))
    return images


def symmetry(images: Tensor, which: int) -> Tensor:
    """Return the images after one of the eight flips and quarter turns: 0 to 3 are turns, 4 to 7 mirrored turns."""
    turned = torch.rot90(images, which % 4, dims=(2, 3))
    return turned.flip(3) if which >= 4 else turned


def symmetries(images: Tensor, which: Tensor) -> Tensor:
    """Return each image after the symmetry that `which` (int, N, 0 to 7) names for it."""
    result = torch.empty_like(images)
    for number in range(8):
        chosen = (which == number).nonzero().squeeze(1).to(images.device)
        if len(chosen):
            result[chosen] = symmetry(images[chosen], number)
    return result


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Return each image turned about its centre; what comes in from outside is mirrored at the edge."""
    angle = degrees * (math.pi / 180)
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    matrix = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def restain(images: Tensor, factors: Tensor, shift: Tensor) -> Tensor:
    """Return images with other amounts of stain.

    The optical density -ln(pixel) of Beer and Lambert is split into haematoxylin, eosin and a residual; the first two
    are multiplied by `factors` (N, 2), and `shift` (N) is added to the density of all colours.
    """
    stains = torch.nn.functional.normalize(torch.tensor(STAINS, device=images.device), dim=1)
    scales = torch.cat([factors, torch.ones_like(factors[:, :1])], dim=1)
    change = torch.linalg.inv(stains) @ (scales[:, :, None] * stains)  # N×3×3, acts on rows of densities
    density = -torch.log(images.clamp(min=1 / 255))
    mixed = torch.einsum("nchw,ncd->ndhw", density, change) + shift[:, None, None, None]
    return torch.exp(-mixed.clamp(min=0))
