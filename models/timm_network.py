"""Networks of timm (Wightman, "PyTorch Image Models", 2019, doi:10.5281/zenodo.4414861) with one logit.

timm is optional, and is imported when the first of its networks is asked for. What cannot be known from a name - the
size that a network takes, the width of its features, its last detailed feature map - is found on torch's device "meta",
where shapes are computed and numbers are not.
"""

import difflib
import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from models.enlarged import PATCH, enlarge
from models.errors import UnknownModelError

PREFIX = "timm:"
LARGEST_SIDE = 672  # to which patches may be enlarged
CELLS = 6  # fewest a side of a map that is explained
CANDIDATES = 24  # maps that are tried, from the last one on


@dataclass(frozen=True)
class Plan:
    """How a network of timm is used.

    Attributes:
        side: pixels a side of what it gets; patches of 96 are resized to it.
        told: whether it is built for that side (`img_size`), or takes any.
        width: of its pooled features.
        layer: name of the last feature map of 6×6 cells or more that all of the logit comes from; "" where there is
            none, as in networks of tokens.
    """

    side: int
    told: bool
    width: int
    layer: str


class TimmNetwork(nn.Module):
    """A network of timm whose pooled features lead to one logit.

    Args:
        name: as in :func:`builder`.
        dropout: share of the pooled features that is dropped in training.
        side: pixels a side of what the network gets.
    """

    def __init__(self, name: str, *, dropout: float, side: int):
        super().__init__()
        if not PATCH <= side <= LARGEST_SIDE:
            raise ValueError(f"side must be {PATCH} to {LARGEST_SIDE}, got {side}")
        self.name, self.side, self.plan = name, side, _plan(name, side)
        self.network = _created(name, self._told)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.plan.width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tumour logit (N,) of float N×3×96×96."""
        logit: Tensor = self.classifier(self.dropout(self.network(enlarge(x, self.side)))).squeeze(1)
        return logit

    def attribution_layer(self) -> nn.Module | None:
        """Return the layer for class activation maps; None where there is no feature map of 6×6 cells."""
        return self.network.get_submodule(self.plan.layer) if self.plan.layer else None

    def head(self) -> nn.Module:
        """Return the layer that is trained while the backbone is frozen."""
        return self.classifier

    @property
    def _told(self) -> int | None:
        return self.side if self.plan.told else None

    def load_published(self, weights: dict[str, Tensor] | None = None) -> None:
        """Load published weights, which timm fits to the size of the patches; the classifier stays as it is.

        Args:
            weights: as they were published; None downloads them.

        Raises:
            RuntimeError: they do not fit, or none were published.
            OSError: they could not be downloaded.
        """
        given = {} if weights is None else {"pretrained_cfg_overlay": {"state_dict": weights}}
        with torch.random.fork_rng(devices=[]):  # a resumed run does not load them, and has to draw the same
            first, second = (_created(self.name, self._told, pretrained=True, **given).state_dict() for _ in range(2))
        # timm leaves what the weights do not have as it began, in silence: at random, so that the two differ.
        if missing := [name for name, value in first.items() if not torch.equal(value, second[name])]:
            raise RuntimeError(f"{len(missing)} of its {len(first)} tensors are missing, such as {missing[0]}")
        self.network.load_state_dict(first)


def check(name: str) -> None:
    """See that timm is there and has a network. Raises :class:`UnknownModelError`."""
    timm, own = _timm(), name.removeprefix(PREFIX)
    # Asked for by name only: timm itself also takes addresses and folders, and fetches from there.
    if ":" in own or "/" in own or not timm.is_model(own):
        near = difflib.get_close_matches(own, timm.list_models(), n=3)
        like = f"; is it {' or '.join(near)}?" if near else "; its names stand at huggingface.co/timm."
        raise UnknownModelError(f"timm {timm.__version__} has no network called {own!r}{like}")


def builder(name: str) -> Callable[..., nn.Module]:
    """Return the builder of a network "timm:NAME". Raises :class:`UnknownModelError`."""
    check(name)

    def build(*, dropout: float = 0.0, side: int = _plan(name).side) -> TimmNetwork:
        return TimmNetwork(name, dropout=dropout, side=side)

    return build


def normalisation(name: str) -> tuple[Sequence[float], Sequence[float]]:
    """Return mean and standard deviation of the colours that the published weights expect.

    Raises:
        UnknownModelError: timm is not installed or has no such network.
    """
    check(name)
    config = _timm().get_pretrained_cfg(name.removeprefix(PREFIX))
    if config is None:
        raise UnknownModelError(f"No weights of {name} were published. Train it from random ones: --pretrained none.")
    return tuple(config.mean), tuple(config.std)


def _timm() -> Any:
    try:
        return import_module("timm")
    except ImportError as error:
        raise UnknownModelError(
            "Networks called timm:NAME need the package timm, which is not installed. Run: pip install timm"
        ) from error


def _created(name: str, side: int | None, **given: Any) -> nn.Module:
    sized = {} if side is None else {"img_size": side}
    network: nn.Module = _timm().create_model(name.removeprefix(PREFIX), num_classes=0, **sized, **given)
    return network


def _plan(name: str, side: int | None = None) -> Plan:
    """Find out how a network is used, for inputs of `side` pixels or as near to a patch as it takes them."""
    published = _timm().get_pretrained_cfg(name.removeprefix(PREFIX))
    sides = [PATCH, published.input_size[-1] if published else 224] if side is None else [side]
    for each in sides:
        for told in (True, False):
            plan = _tried(name, each, told=told)
            if plan is not None and side in (None, plan.side):
                return plan
    raise UnknownModelError(f"{name} does not take pictures of {' or '.join(map(str, sides))} pixels a side.")


@functools.cache
def _tried(name: str, side: int, *, told: bool) -> Plan | None:
    """Return how the network is used with this side, or a little more; None where it cannot be built or used so."""
    try:
        with torch.device("meta"):
            network = _created(name, side if told else None).eval().requires_grad_(False)
            token = getattr(getattr(network, "patch_embed", None), "patch_size", None)
            step = max(token) if isinstance(token, tuple) else token or 1
            if told and side % step:  # the rim would be cut off in silence
                return _tried(name, math.ceil(side / step) * step, told=True)
            pixels = torch.empty(1, 3, side, side)
            return Plan(side, told, network(pixels).shape[1], _detailed(network, pixels))
    except (TypeError, ValueError, RuntimeError, AssertionError):  # each network refuses in its own way
        return None


def _detailed(network: nn.Module, pixels: Tensor) -> str:
    """Return the name of the last map of 6×6 cells or more that the features come from, all of them; "" if none is."""
    features = network.forward_features(pixels)  # type: ignore[operator]
    if not _is_map(features, 1):
        return ""
    fired: list[str] = []
    calls: Counter[str] = Counter()

    def note(name: str, output: object) -> None:
        calls[name] += 1
        if _is_map(output, CELLS):
            fired.append(name)

    with _hooked(network, {name: functools.partial(note, name) for name, _ in network.named_modules() if name}):
        network(pixels)
    for name in [each for each in reversed(fired) if calls[each] == 1][:CANDIDATES]:
        with _hooked(network, {name: lambda output: output.detach()}):
            if not network(pixels.clone().requires_grad_()).requires_grad:
                return name
    return ""


def _is_map(output: object, cells: int) -> bool:
    """Tell whether this is a map N×C×h×w; maps are square as patches are, so that N×h×w×C does not pass for one."""
    return isinstance(output, Tensor) and output.dim() == 4 and output.shape[2] == output.shape[3] >= cells


@contextmanager
def _hooked(network: nn.Module, functions: dict[str, Callable[[Any], Any]]) -> Iterator[None]:
    """Call functions with the outputs of some modules for a while; what they return takes the output's place."""
    handles = [
        network.get_submodule(name).register_forward_hook(lambda _m, _i, output, use=use: use(output))
        for name, use in functions.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
