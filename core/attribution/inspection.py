"""What is known about a network before any method runs on it, found once for each structure."""

import weakref
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

from torch import nn

from core.attribution.graph import Nonlinearities, nonlinearities
from core.attribution.layers import Layer, default_layer, probe
from core.attribution.replica import Fingerprint, borrowed, fingerprint_of
from core.errors import AttributionError

_T = TypeVar("_T")
_MAX_REMEMBERED = 512


@dataclass(frozen=True)
class Inspection:
    """Facts about one network's structure.

    Attributes:
        layer: The layer for class activation maps, ``None`` when there is none.
        steps: The non-linear steps that a forward pass really takes.
        calls: Type name of a leaf module (``ReLU``, ``Conv2d``, ...) and how often a pass goes through such
            modules.
        reused: Names of the leaf modules that one pass uses more than once.
    """

    layer: Layer | None
    steps: Nonlinearities
    calls: Counter[str]
    reused: tuple[str, ...]


def inspect(model: nn.Module) -> Inspection:
    """Return the facts about a network; the probing passes run once for each structure.

    Raises:
        AttributionError: The network does not return one logit a patch.
    """
    return remembered(model, "inspection", lambda: _inspect(model))


_memory: dict[Hashable, object] = {}
_memory_lock = Lock()


def remembered(model: nn.Module, question: str, answer: Callable[[], _T]) -> _T:
    """Return the answer to a question about a network's structure, computed once for each structure.

    Structure is the tree of module types with their plain settings, not the weights.
    """
    key = (question, _structure(model))
    with _memory_lock:
        if key in _memory:
            return _memory[key]  # type: ignore[return-value]
    found = answer()  # outside the lock: two threads may both find the same answer, none waits
    with _memory_lock:
        if len(_memory) >= _MAX_REMEMBERED:
            _memory.clear()
        _memory[key] = found
    return found


def _inspect(model: nn.Module) -> Inspection:
    uses: Counter[nn.Module] = Counter()
    with borrowed(model) as twin:
        leaves = [(name, module) for name, module in twin.named_modules() if not any(module.children())]
        handles = [module.register_forward_hook(lambda module, *_: uses.update([module])) for _, module in leaves]
        try:
            output = twin(probe(twin))
        finally:
            for handle in handles:
                handle.remove()
        if tuple(output.shape) != (1,):
            raise AttributionError(
                f"The network returned a tensor of shape {tuple(output.shape)} for one patch; expected (1,), "
                f"the tumour logit."
            )
        steps = nonlinearities(output)
        calls: Counter[str] = Counter()
        for _, module in leaves:
            calls[type(module).__name__] += uses[module]
        reused = tuple(name for name, module in leaves if uses[module] > 1)
    return Inspection(default_layer(model), steps, calls, reused)


_structures: "weakref.WeakKeyDictionary[nn.Module, tuple[Fingerprint, Hashable]]" = weakref.WeakKeyDictionary()


def _structure(model: nn.Module) -> Hashable:
    fingerprint = fingerprint_of(model)  # a third of the cost of reading the structure anew
    with _memory_lock:
        known = _structures.get(model)
    if known is not None and known[0] == fingerprint:
        return known[1]
    structure = tuple(
        (name, type(module), module.extra_repr(), _plain_settings(module))
        for name, module in model.named_modules(remove_duplicate=False)
    )
    with _memory_lock:
        _structures[model] = (fingerprint, structure)
    return structure


def _plain_settings(module: nn.Module) -> Hashable:
    return tuple(
        (key, value)
        for key, value in vars(module).items()
        if key != "training" and isinstance(value, bool | int | float | str)
    )
