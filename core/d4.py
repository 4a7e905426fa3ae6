"""The eight flips and rotations of a patch (the dihedral group D4), for numpy arrays and tensors alike.

Tissue has no up and no left, so training augments by them, test-time augmentation averages over them, and the check of
a data set looks for duplicates under them. The layers of equivariant networks have their own, :mod:`models.d4`.
"""

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # core.data works without torch, which takes a second to import
    from torch import Tensor

COUNT = 8

Image = TypeVar("Image", npt.NDArray[Any], "Tensor")
Axes = tuple[int, int]
LAST: Axes = (-2, -1)
"""Rows and columns of ...×H×W; of N×H×W×3 they are (1, 2)."""


def view(image: Image, index: int, axes: Axes = LAST) -> Image:
    """Return one of the eight views of an image; of an array without copying its pixels.

    Args:
        image: array or tensor with rows and columns of the same length.
        index: 0 to 7: ``index % 4`` rotations by 90° to the left, and from 4 on a left-right flip before them. 0 is
            the image itself.
        axes: its rows and its columns.

    Example:
        >>> view(np.array([[1, 2], [3, 4]]), 1).tolist()
        [[2, 4], [1, 3]]
    """
    return _rotate(_flip(image, axes) if index >= 4 else image, index % 4, axes)


def undo(image: Image, index: int, axes: Axes = LAST) -> Image:
    """Return the image of which `image` is the view `index`."""
    rotated = _rotate(image, -(index % 4), axes)
    return _flip(rotated, axes) if index >= 4 else rotated


def views(image: Image, axes: Axes = LAST) -> list[Image]:
    """Return all eight views, the image itself first."""
    return [view(image, index, axes) for index in range(COUNT)]


def _flip(image: Image, axes: Axes) -> Image:
    return np.flip(image, axes[1]) if isinstance(image, np.ndarray) else image.flip(axes[1])


def _rotate(image: Image, count: int, axes: Axes) -> Image:
    return np.rot90(image, count, axes) if isinstance(image, np.ndarray) else image.rot90(count, axes)
