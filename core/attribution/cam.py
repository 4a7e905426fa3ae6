"""Class activation maps: which layer they explain, its map, and where its cells lie on the patch."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import LayerGradCam, LayerGradientXActivation
from torch import Tensor, nn

from core.attribution.geometry import Grid, grid_of
from core.attribution.replica import Fingerprint, borrowed, device_of, fingerprint_of
from core.data.store import PATCH_SIZE
from core.errors import AttributionError


@dataclass(frozen=True)
class Layer:
    """A module by its name in the network, and where the cells of its feature map lie on the patch."""

    name: str
    grid: Grid


# Finding the grid takes a forward pass, about half of what a Grad-CAM costs, so it is kept as long as its network.
_layers: "weakref.WeakKeyDictionary[nn.Module, dict[tuple[str, Fingerprint], Layer]]" = weakref.WeakKeyDictionary()
_layers_lock = Lock()


def declared_layer(model: nn.Module) -> nn.Module | None:
    """Return the layer that a network names by a method ``attribution_layer()``, None when it names none.

    Raises:
        AttributionError: The method returned something that is no module.
    """
    for module in model.modules():
        name_layer = getattr(module, "attribution_layer", None)
        layer = name_layer() if callable(name_layer) else None
        if layer is None:  # a wrapper, such as the normalisation, leaves the choice to what it wraps
            continue
        if not isinstance(layer, nn.Module):
            raise AttributionError(
                f"attribution_layer() of {type(module).__name__} returned {type(layer).__name__}; "
                f"it must return one of the network's modules."
            )
        return layer
    return None


def describe_layer(model: nn.Module, layer: nn.Module) -> Layer:
    """Return the name of one of the network's modules and where its cells lie.

    Raises:
        AttributionError: The module is not in the network, not used exactly once, or gives no N×C×h×w map.
    """
    name = next((name for name, module in model.named_modules() if module is layer), None)
    if name is None:
        raise AttributionError(
            f"The layer {type(layer).__name__} is not a module of this network. Pass one of its own modules."
        )
    key = (name, fingerprint_of(model))
    with _layers_lock:
        found = _layers.get(model, {}).get(key)
    if found is None:
        found = Layer(name, grid_of(_feature_map(model, name)))
        with _layers_lock:
            _layers.setdefault(model, {})[key] = found
    return found


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


def _feature_map(model: nn.Module, name: str) -> Tensor:
    """Return the map N×C×h×w of a layer for a fixed patch of coloured noise, with the graph that leads back to it."""
    noise = torch.Generator().manual_seed(96)
    pixels = torch.rand(1, 3, PATCH_SIZE, PATCH_SIZE, generator=noise)
    outputs: list[Any] = []
    with borrowed(model) as twin:
        handle = twin.get_submodule(name).register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
        try:
            twin(pixels.to(device_of(twin)).requires_grad_())
        finally:
            handle.remove()
    if len(outputs) != 1:
        raise AttributionError(
            f"The layer {name} is used {len(outputs)} times in one pass; "
            f"a class activation map needs a layer used once."
        )
    feature_map = outputs[0]
    if not isinstance(feature_map, Tensor) or feature_map.dim() != 4:
        shape = tuple(getattr(feature_map, "shape", ()))
        raise AttributionError(
            f"The layer {name} gives an output of shape {shape}; a class activation map needs N×C×h×w. "
            f"Choose a convolution or a block."
        )
    return feature_map


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
