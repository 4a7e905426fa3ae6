"""Which layer a class activation map looks at."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.attribution.geometry import Grid, grid_of
from core.attribution.graph import convolved
from core.attribution.replica import borrowed, device_of
from core.data.store import PATCH_SIZE
from core.errors import AttributionError

MIN_CELLS = 6
"""Fewest cells a side: ResNets end with 3×3 at 96 px, where a cell is as large as the labelled centre."""


@dataclass(frozen=True)
class Layer:
    """A module by its name in the network, and where the cells of its feature map lie on the patch."""

    name: str
    grid: Grid


@dataclass
class _Call:
    name: str
    output: Tensor


def default_layer(model: nn.Module) -> Layer | None:
    """Return the layer that class activation maps of this network should look at, None when there is none.

    A network may name it by a method ``attribution_layer()``. Otherwise it is the last place behind a
    convolution where the feature map still has 6×6 cells and through which the whole logit passes, found by
    probing: a layer on one branch of a residual block sees only part of the reason.
    """
    with borrowed(model) as twin:
        pixels = probe(twin)
        named = _named_layer(twin)
        if named is not None:
            return _described(twin, named, pixels)
        calls = _spatial_calls(twin, pixels)
        for call in reversed(calls):
            if _everything_passes(twin, twin.get_submodule(call.name), pixels):
                return Layer(call.name, grid_of(call.output))
    return None


def given_layer(model: nn.Module, layer: nn.Module) -> Layer:
    """Return the description of a module that the caller chose.

    Raises:
        AttributionError: The module is not in the network, not used exactly once, or gives no N×C×h×w map.
    """
    for name, module in model.named_modules():
        if module is layer:
            with borrowed(model) as twin:
                return _described(twin, twin.get_submodule(name), probe(twin))
    raise AttributionError(
        f"The layer {type(layer).__name__} is not part of this network. Pass one of its own modules."
    )


def probe(twin: nn.Module) -> Tensor:
    """Return a fixed patch of coloured noise, 1×3×96×96 in [0, 1], that carries a graph."""
    noise = torch.Generator().manual_seed(96)
    pixels = torch.rand(1, 3, PATCH_SIZE, PATCH_SIZE, generator=noise)
    return pixels.to(device_of(twin)).requires_grad_()


def _named_layer(twin: nn.Module) -> nn.Module | None:
    for module in twin.modules():
        name_layer = getattr(module, "attribution_layer", None)
        if callable(name_layer):
            layer = name_layer()
            if layer is None:  # leaves the choice to us
                continue
            if not isinstance(layer, nn.Module):
                raise AttributionError(
                    f"attribution_layer() of {type(module).__name__} returned {type(layer).__name__}; "
                    f"it must return one of the network's modules."
                )
            return layer
    return None


def _described(twin: nn.Module, layer: nn.Module, pixels: Tensor) -> Layer:
    name = next((name for name, module in twin.named_modules() if module is layer), None)
    if name is None:
        raise AttributionError("attribution_layer() returned a module that is not part of the network.")
    outputs: list[Any] = []
    handle = layer.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    try:
        twin(pixels)
    finally:
        handle.remove()
    if len(outputs) != 1:
        raise AttributionError(
            f"The layer {name} is used {len(outputs)} times in one pass; "
            f"a class activation map needs a layer used once."
        )
    if not isinstance(outputs[0], Tensor) or outputs[0].dim() != 4:
        shape = tuple(getattr(outputs[0], "shape", ()))
        raise AttributionError(
            f"The layer {name} gives an output of shape {shape}; a class activation map needs N×C×h×w. "
            f"Choose a convolution or a block."
        )
    return Layer(name, grid_of(outputs[0]))


def _spatial_calls(twin: nn.Module, pixels: Tensor) -> list[_Call]:
    """Return, in order of ending, the modules used once whose maps, behind a convolution, are large."""
    calls: list[_Call] = []
    uses: dict[str, int] = {}

    def note(name: str, output: object) -> None:
        uses[name] = uses.get(name, 0) + 1
        if isinstance(output, Tensor) and output.dim() == 4 and min(output.shape[-2:]) >= MIN_CELLS:
            calls.append(_Call(name, output))

    handles = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: note(name, output))
        for name, module in twin.named_modules()
    ]
    try:
        twin(pixels)
    finally:
        for handle in handles:
            handle.remove()
    return [call for call in calls if uses[call.name] == 1 and convolved(call.output)]


def _everything_passes(twin: nn.Module, layer: nn.Module, pixels: Tensor) -> bool:
    """Tell whether the logit no longer depends on the patch once this layer's output is cut off."""
    handle = layer.register_forward_hook(lambda _module, _inputs, output: output.detach())
    try:
        return not bool(twin(pixels).requires_grad)
    finally:
        handle.remove()
