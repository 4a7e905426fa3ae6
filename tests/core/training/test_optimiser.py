"""Optimiser, learning rate and moving average, by closed forms."""

import math

import pytest
import torch
from torch import nn

import models
from core.runs import TrainingConfig
from core.training.optimiser import MovingAverage, Schedule, make_optimiser


def _groups(model: nn.Module, config: TrainingConfig) -> dict[str, tuple[float, float]]:
    """Return parameter name -> (learning rate, weight decay)."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimiser = make_optimiser(model, config)
    found = {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimiser.param_groups
        for parameter in group["params"]
    }
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(names) == len(found)
    return found


def test_adamw_decays_matrices_and_filters_and_nothing_else() -> None:
    model = models.build("resnet18")
    groups = _groups(model, TrainingConfig(optimiser="adamw", weight_decay=0.3, learning_rate=0.01))

    decays = {name: decay for name, (_, decay) in groups.items()}
    assert decays["network.conv1.weight"] == decays["network.fc.weight"] == 0.3
    assert decays["network.bn1.weight"] == decays["network.bn1.bias"] == decays["network.fc.bias"] == 0.0
    assert {rate for rate, _ in groups.values()} == {0.01}


def test_adam_uses_the_decay_for_all() -> None:
    model = models.build("notebook-cnn")

    groups = _groups(model, TrainingConfig(optimiser="adam", weight_decay=0.3))

    assert {decay for _, decay in groups.values()} == {0.3}
    assert type(make_optimiser(model, TrainingConfig(optimiser="adam"))) is torch.optim.Adam
    assert type(make_optimiser(model, TrainingConfig(optimiser="adamw"))) is torch.optim.AdamW


def test_the_head_has_a_learning_rate_of_its_own() -> None:
    config = TrainingConfig(model="resnet18", learning_rate=1e-3, head_learning_rate=0.02)

    groups = _groups(models.build("resnet18"), config)

    fast = {name for name, (rate, _) in groups.items() if rate == 0.02}
    assert fast == {"network.fc.weight", "network.fc.bias"}
    assert {rate for rate, _ in groups.values()} == {1e-3, 0.02}


def test_frozen_parameters_are_left_out() -> None:
    model = models.build("notebook-cnn")
    model.features.requires_grad_(False)

    optimiser = make_optimiser(model, TrainingConfig())

    assert sum(len(group["params"]) for group in optimiser.param_groups) == 4


def test_one_cycle_rises_for_a_tenth_and_falls_as_a_cosine() -> None:
    schedule = Schedule(TrainingConfig(schedule="one-cycle"), total_steps=100)

    assert [schedule.factor(step) for step in (0, 4, 9)] == pytest.approx([1 / 11, 5 / 11, 10 / 11])
    assert schedule.factor(10) == 1.0
    assert schedule.factor(55) == pytest.approx(0.5)
    assert schedule.factor(40) == pytest.approx(0.5 * (1 + math.cos(math.pi / 3)))
    assert schedule.factor(99) == pytest.approx(0.5 * (1 + math.cos(math.pi * 89 / 90)))
    assert schedule.factor(100) == pytest.approx(0.0)


@pytest.mark.parametrize("total", [1, 2, 5])
def test_a_very_short_cycle_has_rates_between_zero_and_one(total: int) -> None:
    schedule = Schedule(TrainingConfig(schedule="one-cycle"), total_steps=total)

    assert all(0 < schedule.factor(step) <= 1 for step in range(total))


def test_a_constant_rate_stays() -> None:
    schedule = Schedule(TrainingConfig(schedule="constant", plateau_patience=1), total_steps=10)
    for loss in (1.0, 2.0, 3.0, 4.0):
        schedule.end_epoch(loss)

    assert {schedule.factor(step) for step in range(10)} == {1.0}


def test_a_plateau_halves_after_more_than_patience_epochs_without_a_fall() -> None:
    schedule = Schedule(TrainingConfig(schedule="plateau", plateau_patience=2), total_steps=10)
    factors = []
    for loss in (1.0, 0.5, 0.6, 0.5, 0.7, 0.6, 0.6, 0.6, 0.4, 0.5):
        schedule.end_epoch(loss)
        factors.append(schedule.factor(0))

    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_the_plateau_goes_on_where_it_was() -> None:
    config = TrainingConfig(schedule="plateau", plateau_patience=1)
    whole, second = Schedule(config, total_steps=10), Schedule(config, total_steps=10)
    for loss in (1.0, 1.1):
        whole.end_epoch(loss)
    second.restore(whole.state())

    for schedule in (whole, second):
        schedule.end_epoch(1.1)

    assert whole.factor(0) == second.factor(0) == 0.5


def test_applying_scales_each_groups_own_peak() -> None:
    model = models.build("resnet18")
    optimiser = make_optimiser(model, TrainingConfig(learning_rate=1e-3, head_learning_rate=0.02))
    schedule = Schedule(TrainingConfig(schedule="one-cycle"), total_steps=100)

    body = schedule.apply(optimiser, 55)

    assert body == pytest.approx(5e-4)
    assert sorted({group["lr"] for group in optimiser.param_groups}) == pytest.approx([5e-4, 0.01])


def _scalar(value: float) -> nn.Module:
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(value)
    return module


def test_the_moving_average_follows_its_closed_form() -> None:
    model = _scalar(0.0)
    average = MovingAverage(model, 0.5)
    expected = 0.0
    for step, value in enumerate((1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)):
        with torch.no_grad():
            model.weight.fill_(value)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value

        assert average.average["weight"].item() == pytest.approx(expected, rel=1e-6)
    assert decay == 0.5


def test_without_decay_the_average_is_the_weights() -> None:
    model = _scalar(3.0)
    average = MovingAverage(model, 0.0)
    with torch.no_grad():
        model.weight.fill_(7.0)

    average.update(5)

    assert average.average["weight"].item() == 7.0
    assert average.average["weight"].data_ptr() != model.weight.data_ptr()


def test_running_statistics_are_averaged_and_counters_copied() -> None:
    norm = nn.BatchNorm1d(1)
    average = MovingAverage(norm, 0.9)
    norm.running_mean.fill_(10.0)
    norm.num_batches_tracked.fill_(5)

    average.update(0)

    assert average.average["running_mean"].item() == pytest.approx(9.0)  # decay (1 + 0) / (10 + 0)
    assert average.average["num_batches_tracked"].item() == 5
