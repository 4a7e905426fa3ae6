"""How much memory a run uses, keeping it, and telling that it has run out from every other failure."""

import ctypes
import sys

import psutil
import torch

# The first two are of PyTorch's allocator on a CPU, the others of CUDA and cuBLAS.
_TEXTS = ("not enough memory", "can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the computer had no memory left; on a CPU PyTorch says so only in the text of an error."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TEXTS)
