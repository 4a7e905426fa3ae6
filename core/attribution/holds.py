"""Which methods mean something on a network, and in one sentence why the others do not."""

from collections.abc import Callable

import torch
from torch import nn

from core.attribution import rules
from core.attribution.inspection import Inspection, inspect, remembered
from core.attribution.layers import MIN_CELLS, probe
from core.attribution.methods import METHODS
from core.attribution.patch import baseline_of
from core.attribution.replica import borrowed, full_copy_of
from core.errors import AttributionError

_TOLERANCE = 1e-5
"""Gap in a sum, as a share of its terms' sizes, that is rounding and LRP's epsilon in double precision.

Networks with a missing rule miss by 1e-4 and more."""

_DEEPLIFT_RULES = ("ReLU", "ReLU6", "ELU", "LeakyReLU", "Sigmoid", "Tanh", "Softplus")
_LRP_RULES = ("ReLU", "Tanh")
_LRP_LAYERS = frozenset(
    [
        "Conv2d",
        "Linear",
        "MaxPool2d",
        "AvgPool2d",
        "AdaptiveAvgPool2d",
        "ReLU",
        "Tanh",
        "Dropout",
        "Flatten",
        "Identity",
    ]
)


def supports(method: str, model: nn.Module) -> str | None:
    """Return None when a method means something on this network, else one sentence that says why not.

    Decided by what the network does, not by its name: the non-linear steps that autograd records in a forward
    pass must all be ones that the method's rules cover, and DeepLIFT and LRP must keep their promise to add
    up on a probe. The answer is remembered for networks of the same structure.

    Raises:
        AttributionError: The method is unknown, or the network does not return one logit a patch.
    """
    if method not in METHODS:
        raise AttributionError(f"There is no attribution method {method!r}; choose one of {', '.join(METHODS)}.")
    check = _CHECKS.get(method)
    if check is None:
        return None

    def answer() -> str | None:
        with torch.inference_mode(False), torch.enable_grad():
            return check(model)

    return remembered(model, f"holds:{method}", answer)


def available(model: nn.Module) -> list[str]:
    """Return the names of the methods that hold for this network, in the order of ``METHODS``."""
    return [name for name in METHODS if supports(name, model) is None]


def guided_supports(model: nn.Module) -> str | None:
    """Return why Guided Grad-CAM fails on this network apart from the layer, None when it does not."""
    return supports("guided-backprop", model)


def _cam(model: nn.Module) -> str | None:
    if inspect(model).layer is None:
        return (
            f"It needs a layer behind a convolution with {MIN_CELLS}×{MIN_CELLS} or more cells through which "
            f"the whole logit passes, and this network has none."
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
        return "It changes the way back through ReLU layers, and this network has none."
    return None


def _guided_cam(model: nn.Module) -> str | None:
    return _cam(model) or guided_supports(model)


def _deeplift(model: nn.Module) -> str | None:
    facts = inspect(model)
    others = _uncovered(facts, _DEEPLIFT_RULES)
    if others:
        return f"It has no rule for every step of this network ({others}), so the parts would not add up."
    if facts.steps.products:
        return "It has no rule for products of activations, which this network forms."
    if facts.steps.overlapping_max_pools or facts.steps.max_pools != facts.calls["MaxPool2d"]:
        return "Its rule for max pooling needs layers without overlapping windows; this network pools otherwise."
    if facts.reused:
        return f"It needs layers that are used once, and this network uses {facts.reused[0]} several times."
    return _adds_up(*_deeplift_on_probe(model))


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
    return _adds_up(*_lrp_on_probe(model))


def _uncovered(facts: Inspection, rules_for: tuple[str, ...]) -> str:
    """Return the activations that no hooked layer makes, as words; empty when every one is covered."""
    words = []
    for name, count in facts.steps.activations.items():
        if name not in rules_for:
            words.append(f"{count} × {name}")
        elif count > facts.calls[name]:
            words.append(f"{count - facts.calls[name]} × {name} as a function instead of a layer")
    return ", ".join(sorted(words))


def _deeplift_on_probe(model: nn.Module) -> tuple[torch.Tensor, float]:
    twin, pixels = _in_double_precision(model)
    white = baseline_of(pixels, "white")
    with torch.no_grad():
        change = float(twin(pixels)[0] - twin(white)[0])
    return rules.deeplift(twin, pixels, white), change


def _lrp_on_probe(model: nn.Module) -> tuple[torch.Tensor, float]:
    twin, pixels = _in_double_precision(model)
    return rules.lrp(twin, pixels, without_biases=True)


def _in_double_precision(model: nn.Module) -> tuple[nn.Module, torch.Tensor]:
    """Return a copy and a probe where rounding cannot be taken for a missing rule."""
    twin = full_copy_of(model).double()
    return twin, probe(twin).detach().double()


def _adds_up(parts: torch.Tensor, change: float) -> str | None:
    """Return None when the parts add up to the change in logit, else the sentence that tells by how much not."""
    found = float(parts.sum())
    if abs(found - change) <= _TOLERANCE * float(parts.abs().sum()):  # False for NaN as well
        return None
    return f"Its parts should add up to the change in logit, {change:.3g} on a probe, but give {found:.3g} here."


_CHECKS: dict[str, Callable[[nn.Module], str | None]] = {
    "grad-cam": _cam,
    "hires-cam": _cam,
    "guided-backprop": _guided,
    "guided-grad-cam": _guided_cam,
    "deeplift": _deeplift,
    "lrp": _lrp,
}
