"""Facts about what a network really computes, read from the graph that autograd records in one forward pass.

Module names tell what a network declares; the graph tells what it does, functional calls included. Methods
that change the rules of one kind of layer mean something only where the two agree.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

_LINEAR = frozenset(
    [
        "Add",
        "AdaptiveAvgPool2D",
        "Addmm",
        "Alias",
        "AsStrided",
        "AvgPool2D",
        "Baddbmm",
        "Cat",
        "Clone",
        "ConstantPadNd",
        "Convolution",
        "Copy",
        "Copies",
        "CudnnBatchNorm",
        "CudnnConvolution",
        "Diagonal",
        "Einsum",
        "Expand",
        "Flip",
        "Index",
        "IndexSelect",
        "Linear",
        "Mean",
        "MiopenBatchNorm",
        "MkldnnAdaptiveAvgPool2D",
        "MkldnnConvolution",
        "Mm",
        "Mv",
        "Narrow",
        "NativeBatchNorm",
        "Neg",
        "Permute",
        "ReflectionPad2D",
        "Repeat",
        "ReplicationPad2D",
        "Reshape",
        "ReshapeAlias",
        "Roll",
        "Rot90",
        "Rsub",
        "Select",
        "Slice",
        "Split",
        "SplitWithSizes",
        "Squeeze",
        "Stack",
        "Sub",
        "Sum",
        "T",
        "ToCopy",
        "Transpose",
        "Unbind",
        "UnsafeView",
        "Unsqueeze",
        "UpsampleBilinear2D",
        "UpsampleNearest2D",
        "View",
        "AccumulateGrad",
    ]
)
_BILINEAR = frozenset(("Mul", "Div", "Bmm", "Matmul"))  # linear unless both factors depend on the patch
CONVOLUTIONS = frozenset(("Convolution", "CudnnConvolution", "MkldnnConvolution"))
_MAX_POOLS = frozenset(("MaxPool2DWithIndices", "AdaptiveMaxPool2D", "MaxPool2D", "MkldnnMaxPool2D"))
_PLAIN = {
    "Relu": "ReLU",
    "Silu": "SiLU",
    "Gelu": "GELU",
    "Elu": "ELU",
    "LeakyRelu": "LeakyReLU",
    "Hardtanh": "Hardtanh",
}


@dataclass(frozen=True)
class Nonlinearities:
    """The steps of a forward pass that are not linear in the patch.

    Attributes:
        activations: Plain name (``ReLU``, ``ReLU6``, ``SiLU``, ...) and how often it was applied.
        products: Multiplications of two things that both depend on the patch, as in squeeze-and-excitation.
        max_pools: Max-pooling steps.
        overlapping_max_pools: Those whose windows share pixels.
    """

    activations: Counter[str]
    products: int
    max_pools: int
    overlapping_max_pools: int


def nonlinearities(output: Tensor) -> Nonlinearities:
    """Return the non-linear steps on the way from the input to output.

    The output must carry its graph, in which parameters do not require gradients, as in a replica: a factor counts
    as depending on the patch when a way in the graph leads on from it.
    """
    activations: Counter[str] = Counter()
    products = pools = overlapping = 0
    for node in _nodes(output):
        kind = kind_of(node)
        if kind in _MAX_POOLS:
            pools += 1
            overlapping += _overlaps(node)
        elif kind in _BILINEAR:
            products += sum(parent is not None for parent, _ in node.next_functions) > 1
        elif kind not in _LINEAR:
            activations[_plain_name(node, kind)] += 1
    return Nonlinearities(activations, products, pools, overlapping)


def convolved(output: Tensor) -> bool:
    """Tell whether a convolution lies on the way from the input to output."""
    return any(kind_of(node) in CONVOLUTIONS for node in _nodes(output))


def kind_of(node: Any) -> str:
    """Return an autograd node's operation, such as ``Relu`` for ``ReluBackward0``."""
    return str(node.name()).rsplit("::", maxsplit=1)[-1].split("Backward")[0]


def _plain_name(node: Any, kind: str) -> str:
    if kind == "Hardtanh" and (node._saved_min_val, node._saved_max_val) == (0, 6):
        return "ReLU6"
    return _PLAIN.get(kind, kind)


def _overlaps(node: Any) -> bool:
    if kind_of(node) != "MaxPool2DWithIndices":
        return True
    strides = node._saved_stride or node._saved_kernel_size  # an empty stride means the window's size
    return any(size > step for size, step in zip(node._saved_kernel_size, strides, strict=True))


def _nodes(output: Tensor) -> Iterator[Any]:
    waiting: list[Any] = [output.grad_fn]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        waiting.extend(parent for parent, _ in node.next_functions)
