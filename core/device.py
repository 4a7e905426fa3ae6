"""The device that a computation runs on."""

import torch

from core.errors import DeviceError

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; "auto" is the first GPU where there is one, else the CPU.

    Raises:
        DeviceError: CUDA was asked for and there is none, or there is no such device.
    """
    if name not in DEVICES:
        raise DeviceError(f"There is no device {name!r}; choose from {', '.join(DEVICES)}.")
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise DeviceError("CUDA was asked for, but PyTorch sees no GPU. Use 'cpu' or 'auto', or check the driver.")
    return torch.device("cuda" if has_gpu and name != "cpu" else "cpu")


def gpu_count() -> int:
    """Return how many GPUs PyTorch sees."""
    return torch.cuda.device_count()


def describe_device(device: torch.device) -> str:
    """Return the device in words, such as "CPU, 2 threads" or "NVIDIA H100"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"
