"""The figures of each epoch, told to others too."""

from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError
from core.runs import TrainingConfig, create_run
from core.training.tracking import Tracker

ROW = {"epoch": 3, "train_loss": 0.5, "valid_auc": 0.9}


class Recorder:
    """Stands for a tracker of accelerate."""

    def __init__(self, *place: Any, **options: Any):
        self.place, self.options, self.told = place, options, []
        self.tracker = type("Active", (), {"info": type("Info", (), {"run_id": "abc"})})

    def start(self) -> None:
        self.told.append("start")

    def store_init_configuration(self, values: dict[str, str]) -> None:
        self.told.append(values["model"])

    def log(self, values: dict[str, float], step: int) -> None:
        self.told.append((values, step))

    def finish(self) -> None:
        self.told.append("finish")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    """The trackers that were made, in order; their packages are taken to be there."""
    found: list[Recorder] = []

    def make(*place: Any, **options: Any) -> Recorder:
        found.append(Recorder(*place, **options))
        return found[-1]

    monkeypatch.setattr("core.training.tracking.find_spec", lambda _: object())
    for name in ("TensorBoardTracker", "MLflowTracker"):
        monkeypatch.setattr(f"core.training.tracking.tracking.{name}", make)
    return found


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_each_epoch_is_told_under_its_number(name: Any, made: list[Recorder], tmp_path: Path) -> None:
    config = TrainingConfig(tracker=name)
    tracker = Tracker(create_run(config, tmp_path / "run"), config)

    tracker.log(ROW)
    tracker.finish()

    assert made[0].told == ["start", "notebook-cnn", ({"train_loss": 0.5, "valid_auc": 0.9}, 3), "finish"]


def test_a_resumed_run_goes_on_in_the_same_place(made: list[Recorder], tmp_path: Path) -> None:
    config = TrainingConfig(tracker="mlflow")
    run = create_run(config, tmp_path / "run")
    Tracker(run, config)
    run.checkpoint_path.write_bytes(b"")

    Tracker(run, config)

    assert [each.options["run_id"] for each in made] == [None, "abc"]
    assert made[1].told == ["start"]


def test_no_tracker_is_told_nothing(made: list[Recorder], tmp_path: Path) -> None:
    Tracker(create_run(TrainingConfig(), tmp_path / "run"), TrainingConfig()).log(ROW)

    assert made == []


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("core.training.tracking.find_spec", lambda _: None)
    config = TrainingConfig(tracker="mlflow")

    with pytest.raises(ConfigError, match=r"its package is not installed\. Run: pip install mlflow"):
        Tracker(create_run(config, tmp_path / "run"), config)
