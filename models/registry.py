"""The networks by name: the one place that knows which there are and builds them.

A name is one of Nodescope's own, "timm:NAME" for a network of that package, or "PACKAGE:NAME" for one that another
package registers by an entry point of the group :data:`GROUP`. Nothing of a package is imported before a network of it
is built, and only where the package is installed and registers that very name.
"""

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Any

import torch
from torch import nn

from models import timm_network
from models.enlarged import PATCH
from models.errors import UnknownModelError

GROUP = "nodescope.networks"
FOREIGN = re.compile(r"([A-Za-z0-9][\w.-]*):([\w./-]+)", re.ASCII)
"""What names of networks from elsewhere look like: package and name."""

_BUILDERS: dict[str, Callable[..., nn.Module]] = {}
_STORED = {torch.float32, torch.float16, torch.bfloat16, torch.int64}  # what a bundle can hold


def register(name: str) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Return a decorator that enters a builder, a function of plain values, under `name`."""

    def enter(builder: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        if name in _BUILDERS:
            raise UnknownModelError(f"Two networks are called {name!r}.")
        _BUILDERS[name] = builder
        return builder

    return enter


def names() -> list[str]:
    """Return the names of Nodescope's own networks, sorted, and then those that other packages register."""
    return [*sorted(_BUILDERS), *sorted(_full(entry) for entry in _entries())]


def full_name(name: str) -> str:
    """Return the name by which a network is kept: that of another package with the package before it.

    Raises:
        UnknownModelError: there is no such network here.
    """
    if name in _BUILDERS:
        return name
    if name.startswith(timm_network.PREFIX):
        timm_network.check(name)
        return name
    return _full(_entry(name))


def package_of(name: str) -> tuple[str, str] | None:
    """Return name and installed version of the package that a network comes with; None for Nodescope's own.

    None also where the package is not installed or does not register the network.
    """
    try:
        if name.startswith(timm_network.PREFIX):
            return "timm", version("timm")
        if name not in _BUILDERS and (package := _entry(name).dist) is not None:
            return package.name, package.version
    except (UnknownModelError, PackageNotFoundError):
        pass
    return None


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


def check(name: str, arguments: dict[str, Any]) -> None:
    """See that a network from elsewhere does what a training and its bundle need; Nodescope's own ones do.

    Raises:
        UnknownModelError: it does not.
    """
    if name in _BUILDERS:
        return
    try:
        with torch.device("meta"):  # as a bundle does, before it takes memory
            network = build(name, **arguments)
        if not isinstance(network, nn.Module):
            raise UnknownModelError(f"The network {name!r} is a {type(network).__name__} and no torch.nn.Module.")
        logits = _two_logits(name, arguments)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise UnknownModelError(f"The network {name!r} does not work on patches 96×96: {error}.") from error
    found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if found != (2,):
        raise UnknownModelError(
            f"The network {name!r} must return one logit a patch, shape (N,); for 2 patches it returned {found}. A "
            "last layer with one output and .squeeze(1) does it."
        )
    if strange := [key for key, value in network.state_dict().items() if value.dtype not in _STORED]:
        raise UnknownModelError(
            f"The network {name!r} keeps {strange[0]} in a kind of number that no bundle holds; use float32 or int64, "
            "or register_buffer(..., persistent=False)."
        )


def _two_logits(name: str, arguments: dict[str, Any]) -> Any:
    """Return what a network gives for two patches; one of timm was tried when its size was found, without numbers."""
    if name.startswith(timm_network.PREFIX):
        return torch.empty(2)
    with torch.no_grad():
        return build(name, **arguments).eval()(torch.zeros(2, 3, PATCH, PATCH))


def normalisation(name: str) -> tuple[Sequence[float], Sequence[float]] | None:
    """Return mean and standard deviation that the published weights of a network of timm expect; None for others.

    Raises:
        UnknownModelError: there are no such weights, or timm is not installed.
    """
    return timm_network.normalisation(name) if name.startswith(timm_network.PREFIX) else None


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


def parameter_count(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _builder(name: str) -> Callable[..., nn.Module]:
    if name in _BUILDERS:
        return _BUILDERS[name]
    if name.startswith(timm_network.PREFIX):
        return timm_network.builder(name)
    entry = _entry(name)
    try:
        builder: Callable[..., nn.Module] = entry.load()
    except (ImportError, AttributeError, SyntaxError) as error:
        raise UnknownModelError(
            f"The network {_full(entry)} ({entry.value}) cannot be loaded: {error}. Install its package again."
        ) from error
    return builder


@functools.cache
def _entries() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


def _full(entry: EntryPoint) -> str:
    return f"{entry.dist.name if entry.dist else ''}:{entry.name}"


def _entry(name: str) -> EntryPoint:
    """Return the entry point of a network, by its full name or its own."""
    match = FOREIGN.fullmatch(name)
    package, own = match.groups() if match else ("", name)
    there = [each for each in _entries() if not package or _same(_full(each).rpartition(":")[0], package)]
    found = [each for each in there if each.name == own]
    if len(found) == 1:
        return found[0]
    if found:
        choices = " or ".join(sorted(map(_full, found)))
        raise UnknownModelError(f"Several packages have a network called {own!r}; choose {choices}.")
    if package and there:
        choices = ", ".join(sorted(map(_full, there)))
        raise UnknownModelError(f"The package {package} has no network called {own!r}; choose from {choices}.")
    if package:
        raise UnknownModelError(
            f"The network {name} comes with the package {package}, which is not installed here or registers no "
            f"network. Run: pip install {package}"
        )
    raise UnknownModelError(
        f"There is no network called {name!r}; choose from {', '.join(names())}, or one of the package timm, such as "
        "timm:resnet18."
    )


def _same(one: str, other: str) -> bool:
    """Tell whether two names are of one package, as pip does (PEP 503)."""
    plain = [re.sub(r"[-_.]+", "-", each).lower() for each in (one, other)]
    return plain[0] == plain[1]
