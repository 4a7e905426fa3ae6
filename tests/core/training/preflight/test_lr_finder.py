"""Looking for a learning rate: the rule by closed forms, the look itself on patches that can be learnt."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.commands import main
from core.errors import ConfigError, TrainingError
from core.runs import TrainingConfig
from core.training.preflight.lr_finder import curve_of, find_learning_rate, smooth

RATES = np.logspace(-6, 0, 121)


def test_the_smoothed_loss_is_a_running_mean_without_bias() -> None:
    assert smooth(np.full(30, 0.7)) == pytest.approx(np.full(30, 0.7))
    assert smooth(np.array([1.0, 0.0]))[1] == pytest.approx(0.9 * 0.1 / 0.19)


def test_where_the_loss_falls_clearly_the_steepest_descent_is_suggested() -> None:
    losses = 0.7 - 0.5 / (1 + np.exp(-6 * (np.log10(RATES) + 3)))  # falls fastest at 1e-3
    losses = losses + np.where(RATES > 0.1, 5 * np.log10(RATES / 0.1), 0)

    curve = curve_of(RATES, losses)

    assert curve.by == "steepest descent"
    assert curve.suggestion == curve.steepest
    assert 1e-3 <= curve.steepest <= 3e-3  # the running mean lags behind by some steps
    assert 0.03 <= curve.lowest <= 0.3
    assert "where the loss falls fastest; it is lowest at" in curve.sentence()


def test_where_it_hardly_falls_a_tenth_of_the_lowest_is_suggested() -> None:
    losses = 0.7 + 0.1 * np.random.default_rng(0).standard_normal(121)

    curve = curve_of(RATES, losses)

    assert curve.by == "a tenth of the lowest loss's"
    assert curve.suggestion == pytest.approx(curve.lowest / 10)


def test_a_jag_just_before_the_loss_blows_up_is_not_suggested() -> None:
    losses = 0.7 - 0.02 * np.clip(np.log10(RATES) + 4, 0, 2)  # falls evenly from 1e-4 to 1e-2
    losses = np.where(RATES > 1e-2, losses - 0.5 * (np.log10(RATES) + 2), losses)  # and steeply from there
    losses = np.where(RATES > 10**-1.6, 3.0, losses)

    curve = curve_of(RATES, losses)

    assert curve.lowest / 10 < curve.steepest <= curve.lowest
    assert (curve.suggestion, curve.by) == (curve.lowest / 10, "a tenth of the lowest loss's")
    assert curve.sentence() == "Suggested learning rate: 0.0022, a tenth of 0.022, where the loss is lowest."


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(TrainingError, match="no number after 3 steps, and 11 are needed"):
        curve_of(RATES[:3], np.ones(3))
    with pytest.raises(ConfigError, match="takes 11 steps or more, got 10"):
        find_learning_rate(TrainingConfig(), steps=10)


@pytest.fixture
def config(kaggle_folder: Callable[..., Path]) -> TrainingConfig:
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(60)})
    return TrainingConfig(data=(str(folder),), batch_size=8, device="cpu")


def test_the_rate_rises_evenly_in_its_logarithm_and_the_look_can_be_repeated(config: TrainingConfig) -> None:
    told: list[float] = []

    first = find_learning_rate(config, steps=16, lowest=1e-5, highest=1e-2, progress=told.append)
    second = find_learning_rate(config, steps=16, lowest=1e-5, highest=1e-2)

    assert first.rates == pytest.approx(np.logspace(-5, -2, 16))
    assert first.losses.tolist() == second.losses.tolist()
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_loss_that_blows_up_ends_the_look(config: TrainingConfig) -> None:
    curve = find_learning_rate(config.with_changes(optimiser="adam"), steps=60, lowest=1e-3, highest=1e4)

    assert 11 < len(curve.rates) < 60
    assert curve.suggestion < 1


def test_the_command_prints_the_suggestion_and_writes_the_curve(
    config: TrainingConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "curve.csv"
    words = ["lr-find", "--data", config.data[0], "--batch-size", "8", "--device", "cpu", "--steps", "14"]

    assert main([*words, "--out", str(file)]) == 0

    assert "Suggested learning rate: " in capsys.readouterr().out
    table = pd.read_csv(file)
    assert list(table.columns) == ["learning_rate", "loss", "smoothed_loss"]
    assert table["learning_rate"].iloc[0] == 1e-6
