"""One step: its batches, its numbers, what it does when memory or a compiler fails it."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import ConfigError, TrainingError
from core.runs import Augmentation, TrainingConfig
from core.training.loader import BatchLoader
from core.training.memory import fits_on_device, keep_memory
from core.training.patches import Patches
from core.training.precision import Precision
from core.training.step import TrainStep, compiled
from core.training.validation import BATCH, Forward

CPU = torch.device("cpu")
CONFIG = TrainingConfig(batch_size=8, device="cpu", ema=0.9, augmentation=Augmentation(stain=0.2, brightness=0.1))


def _part(count: int = 24) -> Patches:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)
    return Patches(np.arange(count).astype(str), pixels, np.arange(count) % 2, None)


def _rows(count: int) -> list[np.ndarray]:
    return [np.arange(8) + step for step in range(count)]


def test_a_batch_made_ahead_is_the_same_to_the_last_bit() -> None:
    part = _part()
    now, ahead = (BatchLoader(part, CONFIG, device=CPU, ahead=ahead) for ahead in (False, True))

    found = list(ahead.batches(_rows(4), first=7))

    expected = list(now.batches(_rows(4), first=7))
    assert [batch.step for batch in found] == [7, 8, 9, 10]
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
    assert torch.equal(now.batch(_rows(4)[2], 9).images, found[2].images)


def test_only_one_batch_is_made_ahead() -> None:
    asked: list[int] = []

    def rows() -> Any:
        for step, each in enumerate(_rows(9)):
            asked.append(step)
            yield each

    batches = BatchLoader(_part(), CONFIG, device=CPU, ahead=True).batches(rows(), first=0)
    next(batches)
    next(batches)
    batches.close()

    assert asked == [0, 1, 2]


def test_learning_with_batches_made_ahead_is_the_same_to_the_last_bit() -> None:
    train_steps = [TrainStep(CONFIG, _part()) for _ in range(2)]
    for train_step, ahead in zip(train_steps, (False, True), strict=True):
        train_step.prepare(frozen=False)
        loader = BatchLoader(_part(), CONFIG, device=CPU, ahead=ahead)
        for batch in loader.batches(_rows(5), first=0):
            train_step.learn(batch)

    one, other = (train_step.state() for train_step in train_steps)
    assert all(torch.equal(value, other["model"][name]) for name, value in one["model"].items())
    assert all(torch.equal(value, other["average"][name]) for name, value in one["average"].items())


def test_no_memory_for_a_batch_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def scarce(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("core.training.loader.apply", scarce)
    with pytest.raises(TrainingError, match="not enough memory to prepare a batch of 8 patches"):
        list(BatchLoader(_part(), CONFIG, device=CPU, ahead=True).batches(_rows(1), first=0))


def test_a_change_of_weights_that_fails_for_memory_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    train_step = TrainStep(CONFIG, _part())
    calls = []

    def scarce(*_: Any, **__: Any) -> None:
        calls.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(train_step.optimiser, "step", scarce)
    with pytest.raises(TrainingError, match=r"weights were being changed in step 4\. .* the step is not repeated"):
        train_step.learn(train_step.loader.batch(_rows(1)[0], 3))
    assert len(calls) == 1


def test_validation_goes_on_with_smaller_batches() -> None:
    part, said = _part(), []

    class Scarce(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if len(images) > 16:
                raise RuntimeError("[enforce fail] not enough memory: 9 bytes")
            return images.mean(dim=(1, 2, 3))

    forward = Forward(CPU, notify=said.append)

    logits = forward.logits(Scarce(), part)

    assert logits == pytest.approx(part.pixels.mean(axis=(1, 2, 3)) / 255, rel=1e-5)
    assert forward.batch == 16
    assert said[0] == f"Out of memory with {BATCH} validation patches at once: 64 from now on."


def test_validation_without_any_memory_is_said() -> None:
    class Empty(nn.Module):
        def forward(self, _: torch.Tensor) -> torch.Tensor:
            raise MemoryError

    with pytest.raises(TrainingError, match="not enough memory to validate a single patch"):
        Forward(CPU).logits(Empty(), _part(2))


def test_fp16_is_refused_on_a_cpu() -> None:
    with pytest.raises(ConfigError, match="precision is fp16, and this run works on a CPU"):
        TrainStep(CONFIG.with_changes(precision="fp16"), _part())
    assert Precision("auto", CPU).name == "fp32"
    assert not Precision("bf16", CPU).scaler.is_enabled()


def test_a_compiler_that_fails_is_gone_without_and_nothing_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: nn.Module) -> nn.Module:
        raise RuntimeError("no C++ compiler\nand more")

    monkeypatch.setattr(torch, "compile", broken)
    train_step = TrainStep(CONFIG.with_changes(compile="auto"), _part())
    plain = TrainStep(CONFIG, _part())

    assert train_step.compilation == "not compiled (RuntimeError)"
    for each in (train_step, plain):
        each.prepare(frozen=False)
    batch = plain.loader.batch(_rows(1)[0], 0)
    assert train_step.learn(batch).item() == plain.learn(batch).item()


def test_trying_to_compile_leaves_running_means_and_gradients_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda model, **_: nn.Sequential(model))
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 1), nn.Flatten(0)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    _, words = compiled(model, torch.rand(4, 3, 2, 2), Precision("fp32", CPU))

    assert words == "compiled"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_patches_are_kept_on_a_gpu_where_half_of_its_free_memory_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 4000))

    assert fits_on_device(500, torch.device("cuda"))
    assert not fits_on_device(501, torch.device("cuda"))
    assert not fits_on_device(1, CPU)


def test_keeping_memory_changes_no_number() -> None:
    train_step = TrainStep(CONFIG, _part())
    batch = train_step.loader.batch(_rows(1)[0], 0)

    assert keep_memory() in (True, False)

    assert torch.equal(train_step.loader.batch(_rows(1)[0], 0).images, batch.images)
