"""What a run will cost, from a few of its steps."""

from collections.abc import Callable
from pathlib import Path

import pytest

import models
from core.commands import main
from core.runs import TrainingConfig, create_run
from core.storage.home import runs_home
from core.training.execute import execute
from core.training.preflight.cost import estimate


@pytest.fixture
def config(kaggle_folder: Callable[..., Path]) -> TrainingConfig:
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(80)})
    return TrainingConfig(data=(str(folder),), epochs=3, batch_size=8, device="cpu", ema=0.9)


def test_the_estimate_counts_steps_bytes_and_seconds(config: TrainingConfig, tmp_path: Path) -> None:
    told: list[float] = []

    found = estimate(config, progress=told.append)

    run = create_run(config, tmp_path / "run")
    status = execute(run)
    assert found.steps_per_epoch * config.epochs == status.steps
    assert found.train // 8 == found.steps_per_epoch
    assert found.seconds == pytest.approx(3 * found.seconds_per_epoch)
    assert found.seconds_per_epoch > found.seconds_per_step * found.steps_per_epoch
    parameters = 4 * models.parameter_count(models.build(config.model))
    assert found.disk == pytest.approx(10.5 * parameters, rel=0.01)  # 2 × (3 networks, 2 of Adam) and half a network
    assert run.checkpoint_path.stat().st_size == pytest.approx(5 * parameters, rel=0.05)
    assert 100e6 < found.memory < 20e9
    assert found.device_memory is None
    assert 2 <= found.measured <= 12
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_the_command_says_it_and_makes_no_run(config: TrainingConfig, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(runs_home().glob("*"))

    assert main(["train", "--data", config.data[0], "--batch-size", "8", "--device", "cpu", "--estimate"]) == 0

    assert "of memory" in capsys.readouterr().out
    assert set(runs_home().glob("*")) == before
