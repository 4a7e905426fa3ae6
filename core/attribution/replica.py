"""Private copies of a shared network.

Captum puts hooks on modules and flips ``requires_grad``; on a network that several threads share, one
thread's hooks change another's gradients. Every attribution therefore works on a replica: its own module
objects, with parameters and buffers that share the original's memory. A replica of a ResNet50 costs 8 ms
instead of the 21 ms of a full copy (and no memory), and the pool hands out used ones again, so a default map
pays for it once.
"""

import copy
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

import torch
from torch import Tensor, nn

Fingerprint = tuple[int, ...]

_pool: "weakref.WeakKeyDictionary[nn.Module, list[tuple[Fingerprint, nn.Module]]]" = weakref.WeakKeyDictionary()
_pool_lock = Lock()


def replica_of(model: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode that shares the model's memory but none of its module objects.

    Parameters do not require gradients, since attributions differentiate with respect to pixels or feature
    maps. In-place activations become ordinary ones: hooks need the values that they would overwrite.
    The weights must not be changed in place through the replica.
    """
    memo: dict[int, object] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(_shared(parameter), requires_grad=False)
    for buffer in model.buffers():
        memo[id(buffer)] = _shared(buffer)
    twin = copy.deepcopy(model, memo)
    for module in twin.modules():
        if isinstance(getattr(module, "inplace", None), bool):
            setattr(module, "inplace", False)  # noqa: B010  (nn.Module types its attributes as tensors or modules)
    return twin.eval()


def full_copy_of(model: nn.Module) -> nn.Module:
    """Return a replica with weights of its own, for methods that change weights."""
    return copy.deepcopy(replica_of(model))


@contextmanager
def borrowed(model: nn.Module) -> Iterator[nn.Module]:
    """Lend a replica to one thread for a while; it goes back to the pool unless an error may have left hooks on it.

    Inside, gradients are recorded whatever the caller's mode is.
    """
    with torch.inference_mode(False), torch.enable_grad():
        fingerprint = fingerprint_of(model)
        twin = _take(model, fingerprint) or replica_of(model)
        yield twin
    with _pool_lock:
        _pool.setdefault(model, []).append((fingerprint, twin))


def replace_modules(
    root: nn.Module, wanted: Callable[[nn.Module], bool], make: Callable[[nn.Module], nn.Module]
) -> nn.Module:
    """Replace every wanted module below root, in place, one replacement for one module; return root."""
    made: dict[nn.Module, nn.Module] = {}
    for parent in list(root.modules()):
        for name, child in list(parent._modules.items()):  # named_children() would skip a second use
            if child is not None and wanted(child):
                if child not in made:
                    made[child] = make(child)
                setattr(parent, name, made[child])
    return root


def _shared(tensor: Tensor) -> Tensor:
    # A tensor made under inference_mode cannot be used in a backward pass, so that one is copied.
    return tensor.clone() if tensor.is_inference() else tensor.detach()


def fingerprint_of(model: nn.Module) -> Fingerprint:
    """Return what changes when a module or a weight's memory is exchanged, but not by updates in place."""
    marks = []
    for module in model.modules():
        marks.append(id(module))
        marks.extend(
            0 if tensor is None or tensor.is_inference() else tensor.data_ptr()
            for tensor in (*module._parameters.values(), *module._buffers.values())
        )
    return tuple(marks)


def _take(model: nn.Module, fingerprint: Fingerprint) -> nn.Module | None:
    with _pool_lock:
        waiting = _pool.get(model, [])
        while waiting:
            stored, twin = waiting.pop()
            if stored == fingerprint:
                return twin
    return None


def device_of(model: nn.Module) -> torch.device:
    """Return the device of the model's first parameter or buffer, the CPU when it has none."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")
