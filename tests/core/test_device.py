"""The device that was asked for, or an error; GPUs are pretended."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core import device
from core.device import describe_device, device_choices, fault, gpu_problem, has_bf16, resolve_device, settled
from core.errors import DeviceError

GPU_COUNT = device.gpu_count
CPU, FIRST, SECOND = (torch.device(name) for name in ("cpu", "cuda:0", "cuda:1"))


@dataclass
class Gpus:
    """GPUs that PyTorch would see.

    Attributes:
        count: how many.
        capabilities: of each.
        broken: those on which no kernel runs, and what PyTorch says.
        used: MiB in use.
    """

    count: int = 1
    capabilities: dict[int, tuple[int, int]] = field(default_factory=dict)
    broken: dict[int, Exception] = field(default_factory=dict)
    used: dict[int, int] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Gpus:
    seen = Gpus()
    made = torch.ones

    def ones(*size: int, device: torch.device | None = None) -> torch.Tensor:
        if device is not None and device.type == "cuda":
            seen.asked.append(device.index)
            if device.index in seen.broken:
                raise seen.broken[device.index]
        return made(*size)

    def number(of: Any) -> int:
        return of if isinstance(of, int) else of.index

    for name, value in {
        "is_available": lambda: seen.count > 0,
        "device_count": lambda: seen.count,
        "is_initialized": lambda: True,
        "get_device_name": lambda of: f"NVIDIA {number(of)}",
        "get_device_capability": lambda of: seen.capabilities.get(number(of), (9, 0)),
        "get_arch_list": lambda: ["sm_75", "sm_80", "sm_90a"],
        "get_device_properties": lambda of: SimpleNamespace(uuid=f"u{number(of)}"),
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch, "ones", ones)
    monkeypatch.setattr(device, "gpu_count", GPU_COUNT)
    monkeypatch.setattr(torch.version, "hip", None)
    said = lambda *_, **__: SimpleNamespace(stdout="".join(f"GPU-u{at}, {mib}\n" for at, mib in seen.used.items()))
    monkeypatch.setattr(device.subprocess, "run", said)
    for flag in ("allow_tf32", "deterministic", "benchmark"):
        monkeypatch.setattr(torch.backends.cudnn, flag, getattr(torch.backends.cudnn, flag))
    for each in (device._fault, device._warn):
        each.cache_clear()
    return seen


@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        ("auto", 0, CPU), ("auto", 1, FIRST), ("cpu", 1, CPU), ("cuda", 1, FIRST), ("cuda", 2, FIRST),
        ("cuda:1", 2, SECOND),
    ],
)  # fmt: skip
def test_the_device(gpus: Gpus, name: str, count: int, expected: torch.device) -> None:
    gpus.count = count

    assert resolve_device(name) == expected


@pytest.mark.parametrize(
    ("name", "count", "words"),
    [
        ("cuda", 0, r"PyTorch sees no GPU. Use 'cpu' or 'auto'"),
        ("cuda:1", 1, r"no GPU 1: PyTorch sees 1, counted from 0. Use 'cuda:0'"),
        ("mps", 1, r"sees no GPU of a Mac"),
        ("tpu", 1, r"no device 'tpu'; choose auto, cpu, cuda, cuda:0"),
        ("cuda:", 1, r"no device 'cuda:'"),
        ("cpu:1", 1, r"no device 'cpu:1'"),
    ],
)
def test_a_device_that_is_not_there_is_not_replaced_in_silence(gpus: Gpus, name: str, count: int, words: str) -> None:
    gpus.count = count

    with pytest.raises(DeviceError, match=words):
        resolve_device(name)


def test_the_gpu_of_a_mac_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_has_mps", lambda: True)

    assert resolve_device() == resolve_device("mps") == torch.device("mps")
    assert device_choices() == ["auto", "mps", "cpu"]
    assert describe_device(torch.device("mps")) == "GPU of this Mac (MPS)"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda gpus: gpus.capabilities.update({0: (3, 7)}),
            r"\(compute capability 3\.7\) cannot run this",
        ),
        (
            lambda gpus: gpus.broken.update({0: RuntimeError("no kernel image\nmore")}),
            r"no kernel image\.$",
        ),
    ],
)
def test_a_gpu_that_runs_nothing_is_gone_without_and_said(
    gpus: Gpus, caplog: pytest.LogCaptureFixture, change: Callable[[Gpus], None], words: str
) -> None:
    change(gpus)

    with caplog.at_level(logging.WARNING):
        assert resolve_device() == CPU
    assert "NVIDIA 0" in caplog.text
    assert "Another device is used." in caplog.text
    with pytest.raises(DeviceError, match="NVIDIA 0"):
        resolve_device("cuda")
    assert gpu_problem() == fault(FIRST)
    assert re.search(words, gpu_problem())


@pytest.mark.parametrize(
    ("capability", "is_old"),
    [((7, 0), True), ((7, 5), False), ((8, 0), False), ((8, 9), False), ((9, 0), False), ((10, 0), True)],
)
def test_kernels_run_on_later_cards_of_their_generation(gpus: Gpus, capability: tuple[int, int], is_old: bool) -> None:
    gpus.capabilities[0] = capability

    assert bool(fault(FIRST)) == is_old
    assert gpus.asked == ([] if is_old else [0])


def test_a_full_gpu_is_busy_and_not_broken(gpus: Gpus) -> None:
    gpus.broken[0] = torch.OutOfMemoryError("CUDA out of memory.")

    assert resolve_device() == FIRST


def test_auto_is_the_gpu_with_the_least_memory_in_use_that_works(gpus: Gpus) -> None:
    gpus.count, gpus.used = 3, {0: 9000, 1: 500, 2: 20}
    assert resolve_device() == torch.device("cuda:2")
    gpus.broken[2] = RuntimeError("CUDA error: unspecified launch failure")
    device._fault.cache_clear()

    assert resolve_device() == SECOND
    assert device.candidates("auto") == [torch.device(f"cuda:{index}") for index in (2, 1, 0)]
    assert device_choices() == ["auto", "cuda:0", "cuda:1", "cuda:2", "cpu"]
    assert 0 not in gpus.asked  # no memory is taken of a GPU that is not wanted


def test_auto_is_what_was_settled_and_then_open_again(gpus: Gpus) -> None:
    with settled(SECOND), settled(CPU):
        assert resolve_device() == CPU
    assert resolve_device() == FIRST


def test_numbers_on_a_gpu_are_those_that_are_asked_for(gpus: Gpus) -> None:
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = True, True

    resolve_device()

    cudnn = torch.backends.cudnn
    assert (cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark) == (False, True, False)
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize(
    ("name", "capability", "hip", "expected"),
    [
        ("cuda", (7, 5), None, False), ("cuda", (8, 0), None, True), ("cuda", (9, 0), None, True),
        ("cuda", (1, 0), "7.0", True), ("cpu", (8, 0), None, False), ("mps", (8, 0), None, False),
    ],
)  # fmt: skip
def test_bf16_is_for_gpus_that_compute_in_it(
    gpus: Gpus, monkeypatch: pytest.MonkeyPatch, name: str, capability: tuple[int, int], hip: str | None, expected: bool
) -> None:
    gpus.capabilities[0] = capability
    monkeypatch.setattr(torch.version, "hip", hip)

    assert has_bf16(torch.device(name, 0) if name == "cuda" else torch.device(name)) is expected


def test_rocm_is_named(gpus: Gpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "hip", "7.0")

    assert describe_device(FIRST) == "NVIDIA 0 (ROCm)"


@pytest.mark.parametrize(("threads", "words"), [(1, "CPU, 1 thread"), (3, "CPU, 3 threads")])
def test_the_device_in_words(monkeypatch: pytest.MonkeyPatch, threads: int, words: str) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)

    assert describe_device(CPU) == words
