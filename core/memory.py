"""What is done when memory runs out: telling it from every other failure, giving some back, working on less at once."""

import gc
import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from core.errors import DeviceError

logger = logging.getLogger("nodescope.device")

T = TypeVar("T")

# The first two are of PyTorch's allocator on a CPU, "out of memory" of all its allocators for GPUs; the others are of
# the libraries that take memory by themselves. cuDNN finds no engine where none fits, and cuBLAS then cannot begin.
_TEXTS = (
    "not enough memory", "can't allocate memory", "out of memory", "cudaErrorMemoryAllocation",
    "BLAS_STATUS_ALLOC_FAILED", "BLAS_STATUS_NOT_INITIALIZED", "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_NOT_INITIALIZED", "ALLOCATION_FAILED", "miopenStatusAllocFailed", "unable to find an engine",
)  # fmt: skip


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the computer had no memory left; on a CPU PyTorch says so only in the text of an error."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TEXTS)


def give_back(device: torch.device) -> None:
    """Give what PyTorch keeps of a GPU's memory for later back to all; does nothing on a CPU."""
    if device.type == "cpu":
        return
    gc.collect()  # what stands in a circle of references still holds memory
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def in_portions(work: Callable[[int], T], size: int, device: torch.device, *, less: Callable[[int], None]) -> T:
    """Return ``work(size)``, done anew with half the size as often as the memory does not suffice.

    Args:
        work: does all of it, `size` at once.
        size: what is tried first.
        device: where it works.
        less: gets the size that is tried next, 0 after 1; may raise.

    Raises:
        DeviceError: there is no memory for even one, and `less` did not say it in other words.
    """
    while True:
        try:
            return work(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the handler, because the error's traceback keeps the tensors of the attempt in memory.
        give_back(device)
        size //= 2
        less(size)
        if not size:
            raise DeviceError(
                "There is not enough memory for a single patch. Close other programs, or choose the CPU as device."
            )
