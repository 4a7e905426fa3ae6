"""Class activation maps: what a layer's feature maps say, drawn where their cells look."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import LayerGradCam, LayerGradientXActivation
from torch import Tensor, nn

from core.attribution.layers import Layer


def grad_cam(twin: nn.Module, layer: Layer, pixels: Tensor) -> npt.NDArray[np.float32]:
    """Return the signed Grad-CAM of a patch 1×3×96×96 as a map 96×96.

    The original clips at zero; here the sign is kept, since an attribution is signed and the clipping belongs
    to the saliency map.
    """
    with _graph_from(twin.get_submodule(layer.name)) as module:
        cells = LayerGradCam(twin, module).attribute(pixels, relu_attributions=False)
    return _drawn(cells, layer)


def hires_cam(twin: nn.Module, layer: Layer, pixels: Tensor) -> npt.NDArray[np.float32]:
    """Return the signed HiResCAM of a patch 1×3×96×96 as a map 96×96: activation × gradient by cell."""
    with _graph_from(twin.get_submodule(layer.name)) as module:
        products = LayerGradientXActivation(twin, module).attribute(pixels)
    return _drawn(products.sum(dim=1, keepdim=True), layer)


def spread(drawn: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a map 96×96 as an attribution 3×96×96 whose channels add up to it."""
    return np.repeat(drawn[None] / np.float32(3), 3, axis=0)


@contextmanager
def _graph_from(module: nn.Module) -> Iterator[nn.Module]:
    """Let autograd record from this module on only: recording what lies before it costs time for nothing."""
    handle = module.register_forward_hook(lambda _module, _inputs, output: output.detach().requires_grad_())
    try:
        yield module
    finally:
        handle.remove()


def _drawn(cells: Tensor, layer: Layer) -> npt.NDArray[np.float32]:
    values: npt.NDArray[np.float32] = cells.detach()[0, 0].to("cpu", torch.float32).numpy()
    return layer.grid.project(values)
