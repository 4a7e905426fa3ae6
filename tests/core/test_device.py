"""The device that was asked for, or an error."""

import pytest
import torch

from core.device import describe_device, resolve_device
from core.errors import DeviceError


@pytest.mark.parametrize(
    ("name", "has_gpu", "expected"),
    [("auto", False, "cpu"), ("auto", True, "cuda"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_the_device(monkeypatch: pytest.MonkeyPatch, name: str, has_gpu: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)

    assert resolve_device(name) == torch.device(expected)


def test_a_gpu_that_is_not_there_is_not_replaced_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(DeviceError, match=r"PyTorch sees no GPU. Use 'cpu' or 'auto'"):
        resolve_device("cuda")


def test_an_unknown_device_is_answered_with_the_known_ones() -> None:
    with pytest.raises(DeviceError, match="no device 'tpu'; choose from auto, cpu, cuda"):
        resolve_device("tpu")


@pytest.mark.parametrize(("threads", "words"), [(1, "CPU, 1 thread"), (3, "CPU, 3 threads")])
def test_the_device_in_words(monkeypatch: pytest.MonkeyPatch, threads: int, words: str) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)

    assert describe_device(torch.device("cpu")) == words
