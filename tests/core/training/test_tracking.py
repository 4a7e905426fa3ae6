"""The figures of each epoch, told to others too."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from accelerate import PartialState
from accelerate.logging import get_logger
from accelerate.tracking import LOGGER_TYPE_TO_CLASS

from core.errors import ConfigError
from core.runs import TrainingConfig, create_run
from core.runs.settings import SETTINGS
from core.training.tracking import Tracker

ROW = {"epoch": 3, "train_loss": 0.5, "valid_auc": 0.9}


class Recorder:
    """Stands for a tracker of accelerate."""

    requires_logging_directory = False

    def __init__(self, *place: Any, **options: Any):
        self.place, self.options, self.told = place, options, []
        self.tracker = SimpleNamespace(info=SimpleNamespace(run_id="abc"), id="abc", hash="abc")

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

    def recording(folder: bool) -> Any:
        def make(*place: Any, **options: Any) -> Recorder:
            found.append(Recorder(*place, **options))
            return found[-1]

        make.requires_logging_directory = folder  # type: ignore[attr-defined]
        return make

    monkeypatch.setattr("core.training.tracking.find_spec", lambda _: object())
    for name, kind in LOGGER_TYPE_TO_CLASS.items():
        monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, name, recording(kind.requires_logging_directory))
    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, "new-one", recording(False))
    return found


def test_every_tracker_of_accelerate_can_be_chosen() -> None:
    expected = {"none", "wandb", "trackio", "aim", "comet_ml", "mlflow", "tensorboard", "dvclive", "clearml", "swanlab"}
    assert expected <= set(SETTINGS["tracker"].choices)


@pytest.mark.parametrize("name", [*LOGGER_TYPE_TO_CLASS, "new-one"])
def test_each_epoch_is_told_under_its_number(name: str, made: list[Recorder], tmp_path: Path) -> None:
    config = TrainingConfig(tracker=name)
    tracker = Tracker(create_run(config, tmp_path / "run"), config)

    tracker.log(ROW)
    tracker.finish()

    assert made[0].told == ["start", "notebook-cnn", ({"train_loss": 0.5, "valid_auc": 0.9}, 3), "finish"]


@pytest.mark.parametrize("name", ["tensorboard", "aim"])
def test_files_go_to_the_runs_folder(name: str, made: list[Recorder], tmp_path: Path) -> None:
    config = TrainingConfig(tracker=name)
    Tracker(create_run(config, tmp_path / "run"), config)

    assert made[0].place == ("tensorboard" if name == "tensorboard" else "nodescope", tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "option", "first", "then"),
    [
        ("mlflow", "run_id", None, "abc"),
        ("wandb", "id", None, "abc"),
        ("swanlab", "id", None, "abc"),
        ("aim", "run_hash", None, "abc"),
        ("comet_ml", "experiment_key", None, "abc"),
        ("clearml", "continue_last_task", False, "abc"),
        ("dvclive", "resume", False, True),
        ("trackio", "name", "run", "run"),
    ],
)
def test_a_resumed_run_goes_on_in_the_same_place(
    name: str, option: str, first: Any, then: Any, made: list[Recorder], tmp_path: Path
) -> None:
    config = TrainingConfig(tracker=name)
    run = create_run(config, tmp_path / "run")
    Tracker(run, config)
    run.checkpoint_path.write_bytes(b"")

    Tracker(run, config)

    assert [each.options.get(option) for each in made] == [first, then]
    assert made[1].told == ["start"]


def test_what_accelerate_logs_by_is_there(
    made: list[Recorder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some trackers write to accelerate's own log, which refuses before its state is made."""
    PartialState._reset_state()
    monkeypatch.setattr(Recorder, "start", lambda _: get_logger("nodescope.test").debug("started"))
    config = TrainingConfig(tracker="wandb")

    Tracker(create_run(config, tmp_path / "run"), config)


def test_one_that_does_not_start_says_why(
    made: list[Recorder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Recorder) -> None:
        raise OSError("no account\nand a long story")

    monkeypatch.setattr(Recorder, "start", fail)
    config = TrainingConfig(tracker="wandb")

    with pytest.raises(ConfigError, match=r"The tracker wandb did not start: no account\. See its own guide"):
        Tracker(create_run(config, tmp_path / "run"), config)


def test_no_tracker_is_told_nothing(made: list[Recorder], tmp_path: Path) -> None:
    Tracker(create_run(TrainingConfig(), tmp_path / "run"), TrainingConfig()).log(ROW)

    assert made == []


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("core.training.tracking.find_spec", lambda _: None)
    config = TrainingConfig(tracker="mlflow")

    with pytest.raises(ConfigError, match=r"its package is not installed\. Run: pip install mlflow"):
        Tracker(create_run(config, tmp_path / "run"), config)
