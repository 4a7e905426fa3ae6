"""How much memory a run uses, keeping it, and filling that of a GPU."""

import ctypes
import sys
from collections.abc import Sequence

import psutil
import torch
from torch import Tensor

RESIDENT_SHARE = 0.5
"""Training patches are kept on a GPU if they take at most this share of its free memory."""

# Options of glibc's mallopt(3), and "never" for those that take a number of bytes.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_NEVER, _TOP_PAD = 2**31 - 1, 64 * 2**20


def keep_memory() -> bool:
    """Let this process keep what it frees for its next step, instead of giving it back to the system each time.

    On a CPU every step allocates and frees the same large blocks, and fresh pages cost up to a third of its time.
    Returns whether the C library knows how (glibc does); nothing but speed depends on it.
    """
    if not sys.platform.startswith("linux"):
        return False
    # None opens the process itself, and with it the C library that it runs on.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # No block is mapped on its own (it would be unmapped when freed), the heap never shrinks, and it grows by 64 MiB.
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_TOP_PAD, _TOP_PAD))
    return all(mallopt(option, value) == 1 for option, value in settings)


def fits_on_device(size: int, device: torch.device) -> bool:
    """Whether `size` bytes may be kept on a GPU and leave room to work; never on a CPU, where they lie already."""
    return device.type == "cuda" and size <= RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]


def memory_in_use(device: torch.device) -> dict[str, int | None]:
    """Return what this process holds, in bytes: ``memory`` of the computer, and the most so far of a GPU or None."""
    # Reserved and not allocated: blocks that PyTorch keeps in its cache are missing to others too.
    on_device = torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None
    return {"memory": int(psutil.Process().memory_info().rss), "device_memory": on_device}


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on a device; on its way to CUDA this process goes on, and no kernel waits for it."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def sent_together(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Return small tensors of the CPU on a device, in one transfer for all; on a CPU they are those that were given."""
    if device.type == "cpu":
        return list(tensors)
    parts = [each.contiguous().flatten().view(torch.uint8) for each in tensors]
    # Each begins at a multiple of 8 bytes, as the widest of them must.
    sizes = [-(-len(each) // 8) * 8 for each in parts]
    packed = torch.zeros(sum(sizes), dtype=torch.uint8)
    for place, part in zip(torch.split(packed, sizes), parts, strict=True):
        place[: len(part)] = part
    there = torch.split(sent(packed, device), sizes)
    return [
        place[: len(part)].view(each.dtype).view(each.shape)
        for place, part, each in zip(there, parts, tensors, strict=True)
    ]
