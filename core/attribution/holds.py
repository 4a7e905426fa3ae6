"""Which methods mean something on a network, and in one sentence why the others do not."""

from collections.abc import Callable

import torch
from torch import nn

from core.attribution import rules
from core.attribution.inspection import Inspection, inspect, remembered
from core.attribution.layers import MIN_CELLS, probe
from core.attribution.methods import METHODS
from core.attribution.patch import baseline_of
from core.attribution.replica import borrowed
from core.errors import AttributionError

_TOLERANCE = 0.01
"""Share of the change in logit (or of the attribution's size / 100) that may be missing before a method is refused."""

_DEEPLIFT_RULES = ("ReLU", "ReLU6", "ELU", "LeakyReLU", "Sigmoid", "Tanh", "Softplus")
_LRP_RULES = ("ReLU", "Tanh")
_LRP_LAYERS = frozenset(
    "Conv2d Linear MaxPool2d AvgPool2d AdaptiveAvgPool2d ReLU Tanh Dropout Flatten Identity".split()
)


def holds_for(method: str, model: nn.Module) -> str | None:
    """Return None when a method means something on this network, else one sentence that says why not.

    Decided by what the network does, not by its name: the non-linear steps that autograd records in a forward pass
    must all be ones that the method's rules cover, and DeepLIFT and LRP must keep their promise to add up on a probe.
    The answer is remembered for networks of the same structure.

    Raises:
        AttributionError: The method is unknown, or the network does not return one logit a patch.
    """
    if method not in METHODS:
        raise AttributionError(
            f"There is no attribution method {method!r}; choose one of {', '.join(METHODS)}."
        )
    check = _CHECKS.get(method)
    return None if check is None else remembered(model, f"holds:{method}", lambda: check(model))


def available(model: nn.Module) -> list[str]:
    """Return the names of the methods that hold for this network, in the order of ``METHODS``."""
    return [name for name in METHODS if holds_for(name, model) is None]


def guided_holds_for(model: nn.Module) -> str | None:
    """Return why Guided Grad-CAM fails on this network apart from the layer, None when it does not."""
    return holds_for("guided-backprop", model)


def _cam(model: nn.Module) -> str | None:
    if inspect(model).layer is None:
        return (
            f"It needs a layer behind a convolution with at least {MIN_CELLS}×{MIN_CELLS} cells through which the whole "
            f"logit passes, and this network has none."
        )
    return None


def _guided(model: nn.Module) -> str | None:
    facts = inspect(model)
    others = _uncovered(facts, ("ReLU", "ReLU6"))
    if others:
        return (
            f"It changes the way back through ReLU layers only, and this network has {others}, "
            f"so the map would partly be the plain gradient."
        )
    if not facts.steps.activations:
        return "It changes the way back through ReLU layers, and this network has none: the map would be the gradient."
    return None


def _guided_cam(model: nn.Module) -> str | None:
    return _cam(model) or guided_holds_for(model)


def _deeplift(model: nn.Module) -> str | None:
    facts = inspect(model)
    others = _uncovered(facts, _DEEPLIFT_RULES)
    if others:
        return f"It has no rule for every step of this network ({others}), so the parts would not add up."
    if facts.steps.products:
        return "It has no rule for multiplying two activations, which this network does, so the parts would not add up."
    if facts.steps.overlapping_max_pools or facts.steps.max_pools != facts.calls["MaxPool2d"]:
        return "It has a rule for max pooling by layers without overlap only, and this network's pools differently."
    if facts.reused:
        return f"It needs layers that are used once, and this network uses {facts.reused[0]} several times."
    return _adds_up(_deeplift_gap(model))


def _lrp(model: nn.Module) -> str | None:
    facts = inspect(model)
    with borrowed(model) as twin:
        unknown = sorted(rules.lrp_layers(twin, probe(twin)) - _LRP_LAYERS)
    if "BatchNorm2d" in unknown:
        return "Its epsilon rule diverges on batch normalisation, where outputs near zero are divided by."
    if unknown:
        return f"It has no rule for {unknown[0]} layers, which this network has."
    others = _uncovered(facts, _LRP_RULES)
    if others or facts.steps.products:
        return f"It has no rule for every step of this network ({others or 'products of activations'})."
    if facts.reused:
        return f"It needs layers that are used once, and this network uses {facts.reused[0]} several times."
    return _adds_up(_lrp_gap(model))


def _uncovered(facts: Inspection, rules_for: tuple[str, ...]) -> str:
    """Return the activations that no hooked layer makes, as words; empty when every one is covered."""
    words = []
    for name, count in facts.steps.activations.items():
        if name not in rules_for:
            words.append(f"{count} × {name}")
        elif count > facts.calls[name]:
            words.append(f"{count - facts.calls[name]} × {name} as a function instead of a layer")
    return ", ".join(sorted(words))


def _deeplift_gap(model: nn.Module) -> float:
    with borrowed(model) as twin, torch.no_grad():
        pixels = probe(twin).detach()
        white = baseline_of(pixels, "white")
        change = float(twin(pixels)[0] - twin(white)[0])
        with torch.enable_grad():
            parts = rules.deeplift(twin, pixels, white)
    return _relative_gap(parts, change)


def _lrp_gap(model: nn.Module) -> float:
    with borrowed(model) as twin:
        parts, logit = rules.lrp(twin, probe(twin).detach(), without_biases=True)
    return _relative_gap(parts, logit)


def _relative_gap(parts: torch.Tensor, change: float) -> float:
    size = float(parts.abs().sum(dtype=torch.float64))
    gap = abs(float(parts.sum(dtype=torch.float64)) - change)
    return gap / max(abs(change), size / 100, 1e-12)


def _adds_up(gap: float) -> str | None:
    if gap <= _TOLERANCE:  # False for NaN as well
        return None
    return f"Its parts should add up to the change in logit; on this network they miss it by {gap:.0%} of it."


_CHECKS: dict[str, Callable[[nn.Module], str | None]] = {
    "grad-cam": _cam,
    "hires-cam": _cam,
    "guided-backprop": _guided,
    "guided-grad-cam": _guided_cam,
    "deeplift": _deeplift,
    "lrp": _lrp,
}
