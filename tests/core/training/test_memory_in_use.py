"""How much memory a run says that it uses."""

import psutil
import pytest
import torch

from core.training.memory import memory_in_use


def test_the_memory_of_the_computer_is_that_of_this_process() -> None:
    found = memory_in_use(torch.device("cpu"))

    assert found["device_memory"] is None
    assert found["memory"] == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)


def test_the_memory_of_a_gpu_is_the_most_that_was_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 1000 + device.index)

    assert memory_in_use(torch.device("cuda", 3))["device_memory"] == 1003
