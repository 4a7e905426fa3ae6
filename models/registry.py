"""The networks by name."""

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

_BUILDERS: dict[str, Callable[..., nn.Module]] = {}


class UnknownModelError(LookupError):
    """No network has this name, or it does not take these arguments."""


def register(name: str) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Return a decorator that enters a builder, a function of plain values, under `name`."""

    def enter(builder: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        if name in _BUILDERS:
            raise UnknownModelError(f"Two networks are called {name!r}.")
        _BUILDERS[name] = builder
        return builder

    return enter


def names() -> list[str]:
    """Return the names that :func:`build` knows, sorted."""
    return sorted(_BUILDERS)


def build(name: str, /, **arguments: Any) -> nn.Module:
    """Return a freshly initialised network.

    Every network takes float N×3×96×96 (normalised) and returns the tumour logit, shape (N,).

    Raises:
        UnknownModelError: there is no such network or it does not take these arguments.
    """
    builder = _builder(name)
    try:
        return builder(**arguments)
    except (TypeError, ValueError) as error:
        raise UnknownModelError(f"The network {name!r} does not take {arguments}: {error}.") from error


def complete_arguments(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return `arguments` and the defaults of all others that the builder of a network takes.

    What is stored with weights must not change its meaning when a default changes. Tuples become lists, as in JSON.

    Raises:
        UnknownModelError: there is no such network.
    """
    parameters = inspect.signature(_builder(name)).parameters.values()
    defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
    complete = {**defaults, **arguments}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in complete.items()}


def _builder(name: str) -> Callable[..., nn.Module]:
    if name not in _BUILDERS:
        raise UnknownModelError(f"There is no network called {name!r}; choose from {', '.join(names())}.")
    return _BUILDERS[name]


def parameter_count(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
