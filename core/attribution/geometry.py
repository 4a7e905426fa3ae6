"""Where the cells of a feature map lie on the patch.

Stretching a feature map over the patch puts its cells in the wrong places whenever convolutions have no padding: the
8×8 map of four valid 3×3 convolutions with pooling has its centres at columns 19, 27, ..., 75, while stretching would
draw them at 6, 18, ..., 90. The centres of the receptive fields follow exactly from kernel, stride and padding (Araujo
2019, doi:10.23915/distill.00021), which the autograd graph records.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from core.data.store import PATCH_SIZE

_CONVOLUTIONS = frozenset(("Convolution", "CudnnConvolution", "MkldnnConvolution"))
_POINTWISE = frozenset(
    [
        "Relu",
        "Hardtanh",
        "Silu",
        "Gelu",
        "Elu",
        "LeakyRelu",
        "Sigmoid",
        "Tanh",
        "Softplus",
        "NativeBatchNorm",
        "CudnnBatchNorm",
        "MiopenBatchNorm",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Neg",
        "Rsub",
        "Clone",
        "Alias",
        "ToCopy",
        "Cat",
        "Clamp",
        "Hardswish",
        "Hardsigmoid",
    ]
)
_POOLS = frozenset(("MaxPool2DWithIndices", "AvgPool2D"))


@dataclass(frozen=True)
class Axis:
    """One axis of a feature map: cell i is centred on coordinate ``first + i * step`` (pixel k spans k to k+1)."""

    first: float
    step: float


@dataclass(frozen=True)
class Grid:
    """The places of a feature map's cells on the patch, for rows and columns, in pixels."""

    rows: Axis
    columns: Axis

    def project(self, cells: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return an h×w map drawn bilinearly at its places on 96×96.

        An outermost cell reaches outwards as far as half a step, like any other, and fades out over one step more:
        were it stretched to the border of the patch, a few cells would fill the rim, which they hardly see.
        """
        rows = _weights(self.rows, cells.shape[0])
        columns = _weights(self.columns, cells.shape[1])
        drawn: npt.NDArray[np.float32] = (rows @ cells.astype(np.float64) @ columns.T).astype(np.float32)
        return drawn


def stretched(height: int, width: int) -> Grid:
    """Return the grid of a map stretched evenly over the patch, as bilinear resizing does it."""
    return Grid(
        Axis(PATCH_SIZE / height / 2, PATCH_SIZE / height),
        Axis(PATCH_SIZE / width / 2, PATCH_SIZE / width),
    )


def grid_of(feature_map: Tensor) -> Grid:
    """Return where the cells of a feature map N×C×h×w lie on the patch.

    The way back from the map to the patch is read from the graph that the tensor carries. Where it holds an
    operation of unknown geometry (resizing, slicing, attention), the map is taken as stretched evenly.
    Parameters must not require gradients, as in a replica, so that every way in the graph leads to the patch.
    """
    steps = _steps_to_input(feature_map)
    if steps is None:
        return stretched(int(feature_map.shape[-2]), int(feature_map.shape[-1]))
    return Grid(_follow(steps, 0), _follow(steps, 1))


# Shift of the centre and stride, each for rows and columns.
_Step = tuple[tuple[float, float], tuple[float, float]]


def _steps_to_input(feature_map: Tensor) -> list[_Step] | None:
    """Return the spatial steps from the map back to the input, or None when one is not understood."""
    steps: list[_Step] = []
    node: Any = feature_map.grad_fn
    while node is not None and _kind_of(node) != "AccumulateGrad":
        kind = _kind_of(node)
        if kind in _CONVOLUTIONS:
            if getattr(node, "_saved_transposed", False):
                return None
            steps.append(_window(node, node._saved_weight.shape[-2:], node._saved_dilation))
        elif kind in _POOLS:
            steps.append(_window(node, node._saved_kernel_size, getattr(node, "_saved_dilation", (1, 1))))
        elif kind == "ConstantPadNd":
            left, _, top, _ = (*node._saved_pad, 0, 0, 0, 0)[:4]
            steps.append(((-top, -left), (1, 1)))
        elif kind not in _POINTWISE:
            return None
        node = _parent(node)
    return steps


def _kind_of(node: Any) -> str:
    """Return an autograd node's operation, such as ``Relu`` for ``ReluBackward0``."""
    return str(node.name()).rsplit("::", maxsplit=1)[-1].split("Backward")[0]


def _parent(node: Any) -> Any:
    """Return the way on towards the input; of several, one that is not a crop, since all branches align."""
    parents = [parent for parent, _ in node.next_functions if parent is not None]
    whole = [parent for parent in parents if _kind_of(parent) not in ("Slice", "ConstantPadNd")]
    return (whole or parents or [None])[0]


def _window(node: Any, size: Any, dilation: Any) -> _Step:
    stride = tuple(node._saved_stride) or tuple(size)
    padding = node._saved_padding
    rows, columns = ((size[i] - 1) * dilation[i] / 2 - padding[i] for i in (0, 1))
    return (rows, columns), (stride[0], stride[1])


def _follow(steps: list[_Step], axis: int) -> Axis:
    first, step = 0.5, 1.0
    for shift, stride in reversed(steps):
        first += shift[axis] * step
        step *= stride[axis]
    return Axis(first, step)


def _weights(axis: Axis, cells: int) -> npt.NDArray[np.float64]:
    """Return the 96×cells matrix of linear interpolation at the pixels' centres."""
    knots = np.concatenate([[-1.5, -0.5], np.arange(cells), [cells - 0.5, cells + 0.5]])
    places = axis.first + axis.step * knots
    pixels = np.arange(PATCH_SIZE) + 0.5
    return np.stack([np.interp(pixels, places, [0, unit[0], *unit, unit[-1], 0]) for unit in np.eye(cells)], axis=1)
