"""A network compiled, or learning in several processes on GPUs: what is done where one of them fails."""

import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.errors import ConfigError, TrainingError
from core.training import step as step_module
from core.training.distributed import ProcessGroup
from core.training.gradients import Gradients
from core.training.step import TrainStep
from tests.core.training.pretended import CONFIG, CPU, part


def _rows(count: int) -> list[np.ndarray]:
    return [np.arange(8) + step for step in range(count)]


def _one_of_two(device: torch.device) -> ProcessGroup:
    group = ProcessGroup("cpu")
    group.size = 2
    group.__dict__["device"] = device
    return group


def test_a_wait_for_a_gpu_ends_when_the_launcher_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = SimpleNamespace(query=lambda: False)  # another process has died, and NCCL waits for it
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: SimpleNamespace(record_event=lambda: never))
    group = _one_of_two(torch.device("cuda", 0))
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
    began = time.monotonic()
    timer.start()

    with pytest.raises(TrainingError, match="One of the 2 processes ended"), group.explained(tmp_path):
        group.await_device()

    assert time.monotonic() - began < 5


def test_words_between_processes_take_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(torch.distributed, "broadcast_object_list", lambda _, **how: asked.append(how))

    assert _one_of_two(torch.device("cuda", 0)).from_main("word") == "word"
    assert asked == [{"src": 0, "device": CPU}]


def test_several_processes_do_not_share_a_gpu() -> None:
    group = _one_of_two(CPU)
    del group.__dict__["device"]
    group._name = "cuda:1"

    with pytest.raises(ConfigError, match="2 processes cannot share cuda:1"):
        _ = group.device


def test_where_another_process_cannot_compile_none_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda model, **_: nn.Sequential(model))
    monkeypatch.setattr(ProcessGroup, "all_agree", lambda _self, _yes: False)

    train_step = TrainStep(CONFIG.with_changes(compile="auto"), part())

    assert train_step.compilation == "not compiled (another process could not)"
    assert train_step.gradients.model is train_step.network


class _Failing(nn.Module):
    """A compiled network that fails in a later step."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.is_well = network, True

    def forward(self, x: Tensor) -> Any:
        if not self.is_well:
            raise TypeError("the graph was broken\nby something")
        return self.network(x)


def test_a_compiled_network_that_fails_in_a_later_step_is_gone_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch, "compile", lambda model, **_: _Failing(model))
    train_step, plain = TrainStep(CONFIG.with_changes(compile="auto"), part()), TrainStep(CONFIG, part())
    for each in (train_step, plain):
        each.prepare(frozen=False)
    assert train_step.compilation == "compiled"
    assert train_step.state()["compiled"]
    compiled: Any = train_step.gradients.model
    compiled.is_well = False
    batch = plain.loader.batch(_rows(1)[0], 0)

    assert train_step.learn(batch).item() == plain.learn(batch).item()

    assert not train_step.state()["compiled"]
    again = TrainStep(CONFIG.with_changes(compile="auto"), part())
    again.restore(train_step.state())
    assert not again.gradients.is_compiled


def test_a_defect_of_the_network_itself_surfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda model, **_: _Failing(model))
    train_step = TrainStep(CONFIG.with_changes(compile="auto"), part())

    def broken(*_: Any) -> Tensor:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(Gradients, "_loss", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        train_step.learn(train_step.loader.batch(_rows(1)[0], 0))


def test_a_compiled_network_with_other_gradients_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(nn.Module):
        def __init__(self, network: nn.Module):
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Any:
            return 1.1 * self.network(x)

    monkeypatch.setattr(torch, "compile", lambda model, **_: Wrong(model))

    assert TrainStep(CONFIG.with_changes(compile="auto"), part()).compilation == "not compiled (ArithmeticError)"


@pytest.mark.parametrize(
    ("device", "epochs", "compile", "expected"),
    [
        ("cuda", 5000, "gpu", True), ("cuda", 10, "gpu", False), ("cuda", 10, "auto", True),
        ("cuda", 5000, "off", False), ("cpu", 5000, "gpu", False),
    ],
)  # fmt: skip
def test_only_long_runs_on_a_gpu_are_compiled_by_themselves(
    monkeypatch: pytest.MonkeyPatch, device: str, epochs: int, compile: str, expected: bool
) -> None:
    train_step = TrainStep(CONFIG, part())
    train_step.config = CONFIG.with_changes(epochs=epochs, compile=compile)
    asked: list[Any] = []
    monkeypatch.setattr(step_module, "compiled", lambda model, *_, **__: (asked.append(1), (model, ""))[1])
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.zeros(shape))
    train_step.device = torch.device(device)

    train_step._perhaps_compiled(24)

    assert bool(asked) == expected
