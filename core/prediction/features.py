"""What a network sees on the way to its logit: early features for the OOD score, late ones for similarity.

Early ones (mean and spread of each channel where the map still has 12×12 cells) separate an unknown kind of picture
from a known one; the last ones do not, since there everything that is neither class has the same features. Late ones
(what goes into the last layer) bring patches together that mean the same to the network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.attribution.replica import borrowed
from core.data import Dataset
from core.data.store import PATCH_SIZE, batches
from core.errors import BundleError
from core.prediction.predictor import Predictor, as_input, filled_up
from core.progress import Progress, no_progress

EARLY_CELLS = 12
"""Fewest cells a side of an early feature map."""

MOST_CHANNELS = 128
"""Wider maps are passed over: their statistics would need more patches than a small data set has."""

_calls: "WeakKeyDictionary[nn.Module, dict[str, int]]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Layers:
    """Names of the modules whose features are read.

    Attributes:
        early: its output is the early feature map or, in a network without one, the last features before the head.
        late: its input are the late features.
    """

    early: str
    late: str


def layers_of(module: nn.Module) -> Layers:
    """Find the two layers by a pass over a blank patch.

    Raises:
        BundleError: the network has no suitable ones.
    """
    early: list[str] = []
    pooled: list[str] = []
    late: list[str] = []

    def note(name: str, child: nn.Module, given: tuple[object, ...], output: object) -> None:
        if isinstance(output, Tensor) and _is_map(output):
            early.append(name)
        if isinstance(output, Tensor) and output.dim() == 2 and output.shape[1] >= 8:
            pooled.append(name)
        leaf = next(child.children(), None) is None
        if leaf and any(True for _ in child.parameters()) and given and isinstance(given[0], Tensor):
            late.append(name)

    # no_grad() stands behind borrowed(), which turns gradients on.
    with borrowed(module) as twin, torch.no_grad():
        handles = [
            child.register_forward_hook(lambda child, given, output, name=name: note(name, child, given, output))
            for name, child in twin.named_modules()
        ]
        try:
            side = next(module.parameters(), torch.zeros(1)).device
            twin(torch.ones(1, 3, PATCH_SIZE, PATCH_SIZE, device=side))
        finally:
            for handle in handles:
                handle.remove()
    if not (early or pooled) or not late:
        raise BundleError(
            f"{type(module).__name__} has no feature map of {EARLY_CELLS}×{EARLY_CELLS} cells with 8 to "
            f"{MOST_CHANNELS} channels and no pooled features N×C, so that no OOD model can be fitted; use another "
            "network."
        )
    # Hooks fire as modules return, so the last early one is the deepest map that still has enough cells,
    # and the last late one is the head.
    return Layers((early or pooled)[-1], late[-1])


def _is_map(output: Tensor) -> bool:
    """Tell whether this is an early map of the one patch, N×C×h×w: neither N×h×w×C, nor a part of it, nor attention."""
    if output.dim() != 4 or not EARLY_CELLS <= output.shape[2] == output.shape[3]:
        return False
    sums = output.sum(dim=3)  # one for each row of attention
    return (
        output.shape[0] == 1 and 8 <= output.shape[1] <= MOST_CHANNELS
        and not torch.allclose(sums, torch.ones_like(sums), atol=1e-3)
    )  # fmt: skip


def early_features(
    predictor: Predictor, pixels: npt.NDArray[np.uint8], *, layer: str, progress: Progress = no_progress
) -> npt.NDArray[np.float32]:
    """Return float32 (N, 2C): mean and standard deviation over places of each channel behind `layer`.

    Behind a layer without places they are its C features themselves.
    """
    return _collect(predictor, pixels, layer, _early, progress)


def late_features(
    predictor: Predictor, pixels: npt.NDArray[np.uint8], *, layer: str, progress: Progress = no_progress
) -> npt.NDArray[np.float32]:
    """Return float32 (N, C) of length 1: what goes into `layer`, averaged over places if there are any."""
    return _collect(predictor, pixels, layer, _late, progress)


def read_late_features(
    predictor: Predictor,
    dataset: Dataset,
    rows: npt.NDArray[np.int64],
    *,
    layer: str | None = None,
    progress: Progress = no_progress,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the late features of patches of a data set, batch by batch, without those that cannot be read.

    Args:
        predictor: the bundle on its device.
        dataset: where the patches are.
        rows: their row numbers.
        layer: whose input they are; None finds it.
        progress: receives the finished share; what it raises ends the work.

    Returns:
        The rows that could be read, int64 (N,), and float32 (N, C), each of length 1.
    """
    layer = layers_of(predictor.module).late if layer is None else layer
    features, kept = [], []
    for chosen, loaded in batches(dataset.store, rows, progress=progress):
        features.append(late_features(predictor, loaded.pixels, layer=layer)[loaded.readable])
        kept.append(chosen[loaded.readable])
    return np.concatenate(kept).astype(np.int64), np.concatenate(features)


Pool = Callable[[Tensor, Tensor], Tensor]
"""What is kept of a layer's input and output."""


def _early(_given: Tensor, output: Tensor) -> Tensor:
    if output.dim() == 2:
        return output.float()
    if output.dim() != 4:
        raise BundleError("The layer that the bundle's OOD model reads gives no feature map; copy the bundle again.")
    flat = output.float().flatten(2)
    return torch.cat([flat.mean(dim=2), flat.std(dim=2)], dim=1)


def _late(given: Tensor, _output: Tensor) -> Tensor:
    flat = given.float().flatten(2).mean(dim=2) if given.dim() > 2 else given.float()
    return nn.functional.normalize(flat, dim=1)


def _collect(
    predictor: Predictor, pixels: npt.NDArray[np.uint8], layer: str, pool: Pool, progress: Progress
) -> npt.NDArray[np.float32]:
    if not len(pixels):
        # Only a pass of the network would tell how wide the features are.
        return np.empty((0, 0), np.float32)
    calls = _calls_of(predictor, layer)

    def last(module: nn.Module, given: Tensor) -> Tensor:
        return _caught(module, given, layer, pool, last=calls)[-1]

    def of_batch(batch: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.float32]:
        found = predictor.computed(f"{pool.__name__} {layer}", last, batch)
        if found is None:
            # Filled up, as in the predictor, so that a patch has the same bits whatever else is in the batch.
            filled = filled_up(batch, size, predictor.device)
            with borrowed(predictor.module) as twin, torch.no_grad():
                found = last(twin, as_input(filled, predictor.device)).cpu().numpy()[: len(batch)]
        return found

    def all_of_them(size: int) -> npt.NDArray[np.float32]:
        features: list[npt.NDArray[np.float32]] = []
        for start in range(0, len(pixels), size):
            features.append(of_batch(predictor.seen(pixels[start : start + size]), size))
            progress(min(1.0, (start + size) / len(pixels)))
        return np.concatenate(features)

    return predictor.in_portions(all_of_them)


def _calls_of(predictor: Predictor, layer: str) -> int:
    """Return how often a pass calls a layer: it may stand in several places, such as one ReLU behind several others."""
    calls = _calls.setdefault(predictor.module, {})
    if layer not in calls:
        blank = np.zeros((1, PATCH_SIZE, PATCH_SIZE, 3), np.uint8)
        with borrowed(predictor.module) as twin, torch.no_grad():
            calls[layer] = len(_caught(twin, as_input(blank, predictor.device), layer, lambda _given, output: output))
    if not calls[layer]:  # what is folded into another layer, or only holds others, is never called
        raise BundleError(
            f"The bundle's OOD model reads the layer {layer!r}, which its network does not use; copy the bundle again."
        )
    return calls[layer]


class _Reached(Exception):  # noqa: N818 - no error
    """The layer was called for the last time, and nobody needs what comes behind it."""


def _caught(module: nn.Module, pixels: Tensor, layer: str, pool: Pool, *, last: int = 0) -> list[Tensor]:
    """Return what `pool` makes of input and output of the layer at each call, up to the `last`; 0 is all of them.

    The module is a private one, whose hooks no other thread sees.
    """
    caught: list[Tensor] = []

    def catch(_module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        caught.append(pool(given[0], output))
        if len(caught) == last:
            raise _Reached

    try:
        handle = module.get_submodule(layer).register_forward_hook(catch)
    except AttributeError as error:
        raise BundleError(
            f"The bundle's OOD model reads the layer {layer!r}, which its network does not have."
        ) from error
    try:
        module(pixels)
    except _Reached:
        pass
    finally:
        handle.remove()
    return caught
