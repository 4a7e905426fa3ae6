"""The eight flips and rotations of a patch, and their way back."""

from torch import Tensor

COUNT = 8


def view(image: Tensor, index: int) -> Tensor:
    """Return view 0 to 7 of images ...×h×w: ``index % 4`` quarter turns, and from 4 on a flip before them."""
    flipped = image.flip(-1) if index >= 4 else image
    return flipped.rot90(index % 4, (-2, -1))


def undo(image: Tensor, index: int) -> Tensor:
    """Return the image whose view ``index`` is given."""
    turned = image.rot90(-(index % 4), (-2, -1))
    return turned.flip(-1) if index >= 4 else turned
