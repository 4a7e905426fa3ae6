"""Which patches a step gets, how much a class counts, what is frozen, and what happens when memory runs out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import models
from core.errors import ConfigError, TrainingError
from core.memory import is_out_of_memory
from core.runs import Augmentation, TrainingConfig
from core.training.gradients import Gradients
from core.training.loader import Batch, BatchLoader
from core.training.optimiser import head_of
from core.training.patches import Patches
from core.training.sampling import class_weights, epoch_order
from core.training.step import TrainStep, train_mode

LABELS = np.array([0] * 30 + [1] * 10)
PLAIN = TrainingConfig(augmentation=Augmentation(symmetries=False), model_arguments={"dropout": 0.0}, device="cpu")


def test_without_balance_every_patch_comes_once_in_the_order_of_earlier_versions() -> None:
    order = epoch_order(LABELS, seed=3, epoch=2)

    assert order.tolist() == np.random.default_rng([3, 2]).permutation(40).tolist()


def test_balanced_sampling_draws_both_classes_alike_and_none_more_often_than_it_must() -> None:
    order = epoch_order(LABELS, seed=0, epoch=0, balance="sampling")

    assert LABELS[order].tolist() == [0, 1] * 20
    assert sorted(np.bincount(order[1::2], minlength=40)[30:]) == [2] * 10
    assert len(set(order[0::2])) == 20
    assert not np.array_equal(order, epoch_order(LABELS, seed=0, epoch=1, balance="sampling"))


def test_an_odd_number_of_patches_is_drawn_too() -> None:
    order = epoch_order(np.array([0, 1, 1, 1, 1]), seed=0, epoch=0, balance="sampling")

    assert order[::2].tolist() == [0, 0, 0]
    assert len(order) == 5


def test_class_weights_give_both_classes_half_of_the_loss() -> None:
    weights = class_weights(LABELS)

    assert weights.tolist() == [40 / 60, 40 / 20]
    assert (weights * np.bincount(LABELS)).tolist() == [20, 20]


def _part(count: int) -> Patches:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)
    labels = (np.arange(count) % 4 == 0).astype(np.int64)
    return Patches(np.arange(count).astype(str), pixels, labels, None)


def _gradients(config: TrainingConfig, part: Patches) -> tuple[Gradients, list[str]]:
    said: list[str] = []
    train_step = TrainStep(config, part, notify=said.append)
    train_step.prepare(frozen=False)
    return train_step.gradients, said


def _batch(part: Patches, config: TrainingConfig = PLAIN) -> Batch:
    return BatchLoader(part, config, device=torch.device("cpu")).batch(np.arange(len(part)), 0)


def _values(gradients: Gradients) -> torch.Tensor:
    return torch.cat([each.grad.flatten() for each in gradients.model.parameters() if each.grad is not None])


def test_weighted_loss_is_the_weighted_mean() -> None:
    part = _part(12)
    plain, _ = _gradients(PLAIN, part)
    weighted, _ = _gradients(PLAIN.with_changes(balance="weights"), part)

    found = weighted.make(_batch(part))

    with torch.no_grad():
        logits = plain.model(torch.from_numpy(part.pixels).permute(0, 3, 1, 2).float() / 255)
    each = F.binary_cross_entropy_with_logits(logits, torch.tensor(part.labels).float(), reduction="none")
    assert found.item() == pytest.approx((each * torch.tensor([12 / 18, 12 / 6])[part.labels]).mean().item(), rel=1e-5)
    assert plain.make(_batch(part)).item() == pytest.approx(each.mean().item(), rel=1e-5)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("[enforce fail] not enough memory: 9 bytes")]
)
def test_out_of_memory_halves_the_batch_and_keeps_the_gradient(
    error: RuntimeError, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = _part(10)
    whole, _ = _gradients(PLAIN, part)
    loss = whole.make(_batch(part))
    small, said = _gradients(PLAIN, part)
    real = Gradients._loss

    def scarce(self: Gradients, images: torch.Tensor, *rest: Any) -> torch.Tensor:
        if len(images) > 3:
            raise error
        return real(self, images, *rest)

    monkeypatch.setattr(Gradients, "_loss", scarce)

    again = small.make(_batch(part))

    assert small.pieces == 4
    assert said[0].startswith("Out of memory with 10 patches at once: each step of 10 is now worked on in 2 pieces")
    assert said[1].startswith("Out of memory with 5 patches at once")
    torch.testing.assert_close(again, loss)
    torch.testing.assert_close(_values(small), _values(whole), rtol=1e-4, atol=1e-6)


def test_no_memory_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Gradients, "_loss", none)
    with pytest.raises(TrainingError, match=r"not enough memory for 2 patches at once. Close other programs"):
        _gradients(PLAIN, _part(4))[0].make(_batch(_part(4)))


def test_another_failure_is_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> torch.Tensor:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(Gradients, "_loss", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        _gradients(PLAIN, _part(4))[0].make(_batch(_part(4)))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize("setting", [{"head_learning_rate": 0.1}, {"frozen_epochs": 1}])
def test_a_network_without_a_head_refuses_what_needs_one(setting: dict[str, Any]) -> None:
    network = models.build("notebook-cnn")

    assert head_of(network, PLAIN) is None
    with pytest.raises(ConfigError, match=rf"{next(iter(setting))} is .*, but the network notebook-cnn does not tell"):
        head_of(network, PLAIN.with_changes(**setting))


def test_a_frozen_backbone_keeps_weights_and_running_means_and_thaws() -> None:
    torch.manual_seed(0)
    network = models.build("resnet18")
    head = head_of(network, PLAIN.with_changes(model="resnet18"))
    assert head is not None
    before = {name: value.clone() for name, value in network.state_dict().items()}

    def step(*, frozen: bool) -> set[str]:
        train_mode(network, head, frozen=frozen)
        optimiser = torch.optim.AdamW(network.parameters(), 0.1)
        network(torch.rand(4, 3, 96, 96)).sum().backward()
        optimiser.step()
        optimiser.zero_grad()
        return {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}

    assert step(frozen=True) == {"network.fc.weight", "network.fc.bias"}
    assert step(frozen=False) == set(before)


def test_settings_of_earlier_versions_are_read_with_the_same_meaning(tmp_path: Path) -> None:
    value = TrainingConfig().to_json()
    for name in ("clip", "balance", "frozen_epochs"):
        del value[name]
    for name in ("blur", "cutout", "moved"):
        del value["augmentation"][name]

    assert TrainingConfig.from_json(value) == TrainingConfig()
