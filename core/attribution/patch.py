"""From a caller's patch to the tensors that attribution works on."""

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from core.attribution.options import Baseline
from core.data.store import PATCH_SIZE
from core.errors import PatchError

_BLUR_SIGMA = 8.0  # px; nuclei (about 6 to 15 px across) melt away, the stain's large shades stay


def as_tensor(patch: npt.NDArray[np.uint8] | Tensor) -> Tensor:
    """Return a patch as a float32 tensor of shape 1×3×96×96 in [0, 1], on the CPU.

    Args:
        patch: uint8 array 96×96×3, or a float tensor 3×96×96 in [0, 1].

    Raises:
        PatchError: Shape, type or range is another.
    """
    if isinstance(patch, np.ndarray):
        if patch.shape != (PATCH_SIZE, PATCH_SIZE, 3) or patch.dtype != np.uint8:
            raise PatchError(
                f"Cannot explain an array of shape {patch.shape} and type {patch.dtype}; "
                f"expected 96×96×3 and uint8. Crop or convert it first."
            )
        return torch.from_numpy(patch.copy()).permute(2, 0, 1)[None].float().div_(255)
    if tuple(patch.shape) != (3, PATCH_SIZE, PATCH_SIZE) or not patch.is_floating_point():
        raise PatchError(
            f"Cannot explain a tensor of shape {tuple(patch.shape)} and type {patch.dtype}; "
            f"expected 3×96×96 and a floating-point type in [0, 1]."
        )
    pixels = patch.detach().to("cpu", torch.float32)[None].clone()
    if not bool(((pixels >= 0) & (pixels <= 1)).all()):  # also False for NaN
        raise PatchError(
            f"Cannot explain a tensor with values from {float(pixels.min()):.3g} to "
            f"{float(pixels.max()):.3g}; expected [0, 1] before normalisation."
        )
    return pixels


def baseline_of(pixels: Tensor, kind: Baseline) -> Tensor:
    """Return the baseline of a 1×3×96×96 patch: blank glass, the blurred patch, or black."""
    if kind == "white":
        return torch.ones_like(pixels)
    if kind == "black":
        return torch.zeros_like(pixels)
    blurred = gaussian_filter(pixels.cpu().numpy(), sigma=(0, 0, _BLUR_SIGMA, _BLUR_SIGMA), mode="reflect")
    return torch.from_numpy(blurred).to(pixels)
