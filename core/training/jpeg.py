"""JPEG's losses without its bytes: on any device, a batch at a time, each picture at its own quality.

The steps of ISO/IEC 10918-1 that lose something: Y'CbCr, colour at half the resolution (4:2:0), the cosine transform of
blocks of 8×8, and coefficients rounded to multiples of the standard's tables, scaled as libjpeg does it.
"""

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 8

_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_CHROMA = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))  # 99 everywhere else


def compress(images: Tensor, quality: Tensor) -> Tensor:
    """Return images as they come back from JPEG files.

    Args:
        images: float N×3×H×W in [0, 1], H and W multiples of 16.
        quality: of each, float (N,) from 1 to 100, as libjpeg and Pillow count it; 0 leaves an image as it is.
    """
    to_ycc, back, cosines, luma, chroma = _constants(images.device)
    scale = torch.where(quality < 50, 5000 / quality.clamp(min=1), 200 - 2 * quality)[:, None, None, None] / 100
    planes = torch.einsum("ij,njhw->nihw", to_ycc, images * 255)
    bright = _rounded(planes[:, :1].round() - 128, cosines, _steps(luma, scale)) + 128
    colour = _rounded(F.avg_pool2d(planes[:, 1:], 2), cosines, _steps(chroma, scale))
    colour = F.interpolate(colour, scale_factor=2, mode="bilinear", align_corners=False)
    result = torch.einsum("ij,njhw->nihw", back, torch.cat([bright, colour], 1)).round_().clamp_(0, 255).div_(255)
    return torch.where((quality > 0)[:, None, None, None], result, images)


def _steps(table: Tensor, scale: Tensor) -> Tensor:
    return (table * scale + 0.5).floor().clamp(1, 255)


def _rounded(planes: Tensor, cosines: Tensor, table: Tensor) -> Tensor:
    """Return planes N×C×H×W whose blocks have coefficients that are multiples of `table` (N×1×8×8)."""
    count, colours, height, width = planes.shape
    blocks = planes.reshape(count, colours, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(3, 4)
    steps = table[:, :, None, None]
    coefficients = ((cosines @ blocks @ cosines.T) / steps).round() * steps
    return (cosines.T @ coefficients @ cosines).transpose(3, 4).reshape(planes.shape)


@functools.cache
def _constants(device: torch.device) -> tuple[Tensor, ...]:
    to_ycc = torch.tensor(_YCC)
    place = torch.arange(BLOCK)
    cosines = torch.cos((2 * place + 1) * place[:, None] * math.pi / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    cosines[0] /= math.sqrt(2)
    chroma = torch.full((BLOCK, BLOCK), 99.0)
    chroma[:4, :4] = torch.tensor(_CHROMA, dtype=torch.float32)
    tables = torch.tensor(_LUMA, dtype=torch.float32), chroma
    return tuple(each.to(device) for each in (to_ycc, torch.linalg.inv(to_ycc), cosines, *tables))
