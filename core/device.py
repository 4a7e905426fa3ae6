"""The device that a computation runs on."""

import functools
import logging
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from core.errors import DeviceError

logger = logging.getLogger("nodescope.device")

NAMES = "auto, cpu, cuda, cuda:0, cuda:1 (and so on) or mps"

_CPU, _MPS = torch.device("cpu"), torch.device("mps")
_settled: list[torch.device] = []  # what "auto" is in this process, the last one counts


def check_device(name: str) -> str:
    """Return the name of a device as it is.

    Raises:
        DeviceError: no device is called so, whether there is one or not.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", name):
        raise DeviceError(f"There is no device {name!r}; choose {NAMES}.")
    return name


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device called `name`.

    "auto" is the GPU with the least memory in use, on a Mac the one of its chip, else the CPU; "cuda" is the first GPU.

    Raises:
        DeviceError: there is no such device, or it cannot run what this build of PyTorch has.
    """
    check_device(name)
    if name == "auto":
        return _settled[-1] if _settled else _automatic()
    if name == "cpu":
        return _CPU
    if name == "mps":
        if not _has_mps():
            raise DeviceError("mps was asked for, but PyTorch sees no GPU of a Mac. Use 'cpu' or 'auto'.")
        return _MPS
    index, count = int(name.partition(":")[2] or 0), gpu_count()
    if not count:
        raise DeviceError("CUDA was asked for, but PyTorch sees no GPU. Use 'cpu' or 'auto', or check the driver.")
    if index >= count:
        raise DeviceError(f"There is no GPU {index}: PyTorch sees {count}, counted from 0. Use 'cuda:{count - 1}'.")
    if problem := _fault(index):
        raise DeviceError(f"{problem} Use 'cpu' or 'auto'.")
    return _exact(torch.device("cuda", index))


def candidates(name: str) -> list[torch.device]:
    """Return the devices that `name` may stand for, the least busy first, without a look whether they work.

    To look would take some of a GPU's memory, which a run that waits for another one must leave alone.

    Raises:
        DeviceError: there is none.
    """
    if name != "auto" or _settled:
        index = name.partition(":")[2] or "0"
        fits = name.startswith("cuda") and int(index) < gpu_count()
        return [torch.device("cuda", int(index))] if fits else [resolve_device(name)]
    return _by_use([index for index in range(gpu_count()) if not _too_old(index)]) or [_automatic()]


@contextmanager
def settled(device: torch.device) -> Iterator[None]:
    """Have "auto" mean a certain device in the body, for all threads."""
    _settled.append(device)
    try:
        yield
    finally:
        _settled.remove(device)


def device_choices() -> list[str]:
    """Return the names that a person may choose from on this computer; only "cpu" where there is no GPU."""
    count = gpu_count()
    gpus = [f"cuda:{index}" for index in range(count)] if count > 1 else ["cuda"] * count
    if not gpus and _has_mps():
        gpus = ["mps"]
    return ["auto", *gpus, "cpu"] if gpus else ["cpu"]


def gpu_problem() -> str:
    """Return a sentence on why a GPU that is there is not used; empty where none is there or one works."""
    problems = []
    for index in range(gpu_count()):
        # A look takes some of the GPU's memory, so that one that nobody has used yet is judged by its age.
        looked = _too_old(index) or torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        problems.append(_fault(index) if looked else "")
        if not problems[-1]:
            return ""
    return problems[0] if problems else ""


def fault(device: torch.device) -> str:
    """Return a sentence on why a device runs nothing; empty where it works."""
    return _fault(device.index or 0) if device.type == "cuda" else ""


def gpu_count() -> int:
    """Return how many GPUs PyTorch sees."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def describe_device(device: torch.device) -> str:
    """Return the device in words, such as "CPU, 2 threads", "NVIDIA H100" or "AMD Instinct MI300X (ROCm)"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device) + (" (ROCm)" if torch.version.hip else "")
    if device.type == "mps":
        return "GPU of this Mac (MPS)"
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


def has_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is something that a GPU computes in, and does not only imitate, as one before 2020 does."""
    if device.type != "cuda":
        return False
    return bool(torch.version.hip) or torch.cuda.get_device_capability(device) >= (8, 0)


def _automatic() -> torch.device:
    for device in _by_use(range(gpu_count())):
        problem = fault(device)
        if not problem:
            return _exact(device)
        _warn(problem)
    return _MPS if _has_mps() else _CPU


@functools.cache
def _warn(problem: str) -> None:
    logger.warning("%s Another device is used.", problem)


def _has_mps() -> bool:
    return bool(torch.backends.mps.is_available())


def _by_use(indices: "range | list[int]") -> list[torch.device]:
    """Return these GPUs, that with the least memory in use first."""
    devices = [torch.device("cuda", index) for index in indices]
    if len(devices) > 1:
        used = _memory_in_use()
        devices.sort(key=lambda each: used.get(f"GPU-{torch.cuda.get_device_properties(each).uuid}", 0))
    return devices


def _memory_in_use() -> dict[str, int]:
    """Return how many MiB of each GPU are in use, by the name it was made with; nothing where the driver cannot say.

    Asking PyTorch would take some hundred MB of every GPU.
    """
    command = ["nvidia-smi", "--query-gpu=uuid,memory.used", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        return {uuid.strip(): int(used) for uuid, used in (line.split(",") for line in said.strip().splitlines())}
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}


@functools.cache
def _fault(index: int) -> str:
    name = torch.cuda.get_device_name(index)
    if _too_old(index):
        major, minor = torch.cuda.get_device_capability(index)
        return (
            f"The GPU {name} (compute capability {major}.{minor}) cannot run this build of PyTorch, which is for "
            f"{', '.join(torch.cuda.get_arch_list())}; another build may be for it."
        )
    try:
        # One kernel tells more than any list: drivers name cards too for which there is none.
        torch.ones(1, device=torch.device("cuda", index)).add_(1).cpu()
    except torch.OutOfMemoryError:
        return ""  # it is busy, not broken
    except RuntimeError as error:
        return f"The GPU {name} does not work: {str(error).strip().splitlines()[0]}."
    return ""


def _too_old(index: int) -> bool:
    """Whether this build of PyTorch has no kernels for a GPU, as far as its list tells."""
    known = [re.match(r"(sm|compute)_(\d+)(\d)", each) for each in torch.cuda.get_arch_list()]
    own = torch.cuda.get_device_capability(index)
    listed = [(each[1], (int(each[2]), int(each[3]))) for each in known if each]
    # Kernels run on later cards of the same generation; what is stored as PTX, on all later ones.
    return bool(listed) and not any(arch <= own and (kind == "compute" or arch[0] == own[0]) for kind, arch in listed)


def _exact(device: torch.device) -> torch.device:
    """Have this process compute on GPUs in the numbers that are asked for, and the same way each time.

    cuDNN rounds factors of a convolution to ten bits (TF32) unless told otherwise: then neither a region map agrees
    with its patches to 1e-5, nor a GPU with the CPU. And it may take another way each time, of other rounding.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return device
