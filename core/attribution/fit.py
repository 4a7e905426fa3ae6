"""Which methods with rules of their own suit a network that does not declare it: by what happens on a pass through it.

The rules stand on layers that rectify. They cover a network whose other steps are linear, or choose a largest value,
and all of whose ReLUs are layers, since a rule can be put on a layer only.
"""

import weakref
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from core.attribution.replica import Fingerprint, borrowed, device_of, fingerprint_of
from core.data.store import PATCH_SIZE

_RELUS = frozenset(("relu", "hardtanh"))
_MAXIMA = "max_pool2d_with_indices"
_LINEAR = frozenset(
    [
        "convolution", "cudnn_convolution", "mkldnn_convolution", "addmm", "mm", "native_batch_norm",
        "_native_batch_norm_legit_no_training", "cudnn_batch_norm", "avg_pool2d", "_adaptive_avg_pool2d", "mean", "add",
        "sub", "div", "cat", "view", "_unsafe_view", "flatten", "permute", "transpose", "t", "expand", "clone", "copy",
        "alias", "detach", "squeeze", "unsqueeze", "select", "slice", "split", "constant_pad_nd", "upsample_bilinear2d",
        "empty", "as_strided", "unbind", "stack", "index", "ones", "zeros", "arange",
    ]
)  # fmt: skip


@dataclass(frozen=True)
class _Pass:
    """What happened on the way from a patch to the logit.

    Attributes:
        strange: steps that no rule covers, in torch's words.
        loose: ReLUs and largest values that are no layers.
        shared: names of ReLU layers that are used more than once.
        overlapping: whether windows of a max pooling overlap.
    """

    strange: tuple[str, ...]
    loose: int
    shared: tuple[str, ...]
    overlapping: bool


_passes: "weakref.WeakKeyDictionary[nn.Module, tuple[Fingerprint, _Pass]]" = weakref.WeakKeyDictionary()


def obstacle(method: str, model: nn.Module) -> str | None:
    """Return in a sentence why a method with rules of its own does not suit a network; None where it does."""
    if method == "lrp":
        return "It needs a rule for each layer, and this network does not declare that there is one."
    found = _pass_through(model)
    if found.strange:
        return f"Its rule is for ReLU, and this network also computes {', '.join(found.strange[:4])}."
    if found.loose:
        return "Its rule is for ReLU layers, and this network also rectifies outside of layers."
    if method == "deeplift" and found.overlapping:
        return "Its rule for max pooling needs windows that do not overlap, and those of this network do."
    if method == "deeplift" and found.shared:
        return f"It needs layers that are used once, and this network uses {found.shared[0]} more than once."
    return None


def _pass_through(model: nn.Module) -> _Pass:
    fingerprint = fingerprint_of(model)
    known = _passes.get(model)
    if known is None or known[0] != fingerprint:
        known = _passes[model] = (fingerprint, _recorded(model))
    return known[1]


def _recorded(model: nn.Module) -> _Pass:
    layers: Counter[str] = Counter()
    overlapping = False

    def note(name: str, module: nn.Module) -> None:
        nonlocal overlapping
        layers[name] += 1
        overlapping |= isinstance(module, nn.MaxPool2d) and module.kernel_size != module.stride

    # no_grad() stands behind borrowed(), which turns gradients on.
    with borrowed(model) as twin, torch.no_grad():
        handles = [
            module.register_forward_hook(lambda module, _given, _output, name=name: note(name, module))
            for name, module in twin.named_modules()
            if isinstance(module, nn.ReLU | nn.ReLU6 | nn.MaxPool2d)
        ]
        try:
            pixels = torch.ones(1, 3, PATCH_SIZE, PATCH_SIZE, device=device_of(twin))
            with _Steps() as steps:
                twin(pixels)
        finally:
            for handle in handles:
                handle.remove()
    covered = sum(count for name, count in steps.counts.items() if name in _RELUS or name == _MAXIMA)
    shared = (name for name, count in layers.items() if count > 1)
    strange = steps.counts.keys() - _LINEAR - _RELUS - {_MAXIMA}
    words = sorted({"attention" if "attention" in each else _in_words(each) for each in strange})
    return _Pass(tuple(words), covered - layers.total(), tuple(shared), overlapping)


def _in_words(step: str) -> str:
    return step.removeprefix("native_").strip("_").replace("_", " ")


class _Steps(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations of a pass; those in place as their ordinary twins."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        self.counts[func._schema.name.removeprefix("aten::").rstrip("_")] += 1
        return func(*args, **(kwargs or {}))
