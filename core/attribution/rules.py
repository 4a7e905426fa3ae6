"""Methods that change the rules of the backward pass: guided backpropagation, DeepLIFT, LRP.

They work on replicas whose activations are rewritten, without changing what the network computes, so that
Captum's hooks, which know a few module types only, really cover them.
"""

import warnings

import torch.nn.functional as F
from captum.attr import LRP, DeepLift, GuidedBackprop
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import Tensor, nn

from core.attribution.replica import full_copy_of, replace_modules, replica_of

# Captum warns that it sets hooks, which nobody else sees on a private replica.
warnings.filterwarnings("ignore", r"\s*Setting (forward, )?backward hooks", UserWarning)


class _HookableReLU6(nn.ReLU):
    """ReLU6 that Captum treats as a ReLU: the guided rule only needs the slope and the gradient that comes back."""

    def forward(self, input: Tensor) -> Tensor:
        return F.relu6(input)


class _SplitReLU6(nn.Module):
    """ReLU6 as ReLU(x) - ReLU(x - 6), two layers for which Captum has the Rescale rule; the rule is additive."""

    def __init__(self) -> None:
        super().__init__()
        self.low = nn.ReLU()
        self.high = nn.ReLU()

    def forward(self, input: Tensor) -> Tensor:
        """Return min(max(x, 0), 6)."""
        # A private copy: Captum writes a rule's result over the whole gradient of the tensor that enters a layer, and
        # where both layers shared one tensor, what comes back through the other would be lost.
        lower: Tensor = self.low(input.clone())
        upper: Tensor = self.high(input - 6)
        return lower - upper


def _is_relu6(module: nn.Module) -> bool:
    return isinstance(module, nn.ReLU6)


def guided_backprop(model: nn.Module, pixels: Tensor) -> Tensor:
    """Return the gradient, 1×3×96×96, with negative values dropped at every ReLU on the way back."""
    twin = replace_modules(replica_of(model), _is_relu6, lambda _: _HookableReLU6())
    result: Tensor = GuidedBackprop(twin).attribute(pixels.clone().requires_grad_())
    return result


def deeplift(model: nn.Module, pixels: Tensor, baseline: Tensor) -> Tensor:
    """Return DeepLIFT's contributions by the Rescale rule, 1×3×96×96, in logits."""
    twin = replace_modules(replica_of(model), _is_relu6, lambda _: _SplitReLU6())
    result: Tensor = DeepLift(twin).attribute(pixels.clone().requires_grad_(), baselines=baseline)
    return result.detach()


def lrp(model: nn.Module, pixels: Tensor, *, without_biases: bool = False) -> tuple[Tensor, float]:
    """Return the relevance of every pixel by the epsilon rule, 1×3×96×96, and the logit that it hands out.

    Relevance is handed out by the network behind the normalisation, on the values that it sees: a shift and
    scale of the pixels has no share of its own in the logit.

    Args:
        model: The network.
        pixels: Patch 1×3×96×96.
        without_biases: Explain the network with its biases set to zero, where relevance is conserved exactly.
    """
    twin = full_copy_of(model)
    if without_biases:
        for name, parameter in twin.named_parameters():
            if name.endswith("bias"):
                parameter.data.zero_()
    for module in twin.modules():
        if isinstance(module, nn.Flatten | nn.Identity):  # Captum has no rule for layers that only hand values on
            module.rule = EpsilonRule()
    inner, seen = _behind_normalisation(twin, pixels)
    logit = float(inner(seen).detach()[0])
    relevance: Tensor = LRP(inner).attribute(seen.detach().clone().requires_grad_())
    return relevance.detach(), logit


def _behind_normalisation(twin: nn.Module, pixels: Tensor) -> tuple[nn.Module, Tensor]:
    """Return the innermost container that maps something patch-shaped to the logit, and its input."""
    inputs: dict[nn.Module, Tensor] = {}
    outputs: dict[nn.Module, object] = {}

    def note(module: nn.Module, given: tuple[Tensor, ...], output: object) -> None:
        if given and isinstance(given[0], Tensor) and given[0].shape == pixels.shape:
            inputs[module], outputs[module] = given[0], output

    containers = [module for module in twin.modules() if any(module.children())]
    handles = [module.register_forward_hook(note) for module in containers]
    try:
        logit = twin(pixels)
    finally:
        for handle in handles:
            handle.remove()
    for module in reversed(containers):  # the innermost come last
        if outputs.get(module) is logit:
            return module, inputs[module]
    return twin, pixels
