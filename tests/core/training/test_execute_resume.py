"""Runs that were stopped, killed or ran out of disk: they go on as if nothing had happened, to the last bit."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.bundle import Bundle, load_bundle
from core.data import Dataset, open_dataset
from core.errors import StorageError
from core.runs import Augmentation, TrainingConfig, create_run
from core.runs.run import Run
from core.training import losses, trainer
from core.training.checkpoint import load_checkpoint
from core.training.execute import execute


@pytest.fixture(autouse=True)
def _opened(monkeypatch: pytest.MonkeyPatch, coloured: Dataset) -> None:
    monkeypatch.setattr("core.training.execute.open_dataset", lambda *_, **__: coloured)


@pytest.fixture
def config(uninterrupted: Run) -> TrainingConfig:
    """Its settings."""
    return uninterrupted.config()


def _weights(run: Run) -> dict[str, torch.Tensor]:
    return load_bundle(run.bundle_path).weights


def _assert_same_result(run: Run, other: Run) -> None:
    assert (run.path / "metrics.csv").read_bytes() == (other.path / "metrics.csv").read_bytes()
    assert (run.path / "patches.csv").read_bytes() == (other.path / "patches.csv").read_bytes()
    assert (run.path / "steps.csv").read_bytes() == (other.path / "steps.csv").read_bytes()
    assert (run.path / "predictions.csv").read_bytes() == (other.path / "predictions.csv").read_bytes()
    mine, theirs = _weights(run), _weights(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())
    states = [load_checkpoint(each.checkpoint_path, torch.device("cpu")) for each in (run, other)]
    assert all(torch.equal(value, states[1]["model"][name]) for name, value in states[0]["model"].items())
    assert states[0]["position"] == states[1]["position"]


def _stop_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the stop file, as a person would, after so many steps."""
    seen = 0
    real = trainer.Trainer._after_step

    def counted(self: trainer.Trainer) -> None:
        nonlocal seen
        seen += 1
        if seen == steps:
            self.run.request_stop()
        real(self)

    monkeypatch.setattr(trainer.Trainer, "_after_step", counted)


def test_the_time_of_all_sessions_adds_up(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(config, tmp_path / "run")
    with monkeypatch.context() as patch:
        _stop_after(2, patch)
        execute(run)
    first = run.status().seconds
    assert 0 < first < 60
    state = load_checkpoint(run.checkpoint_path, torch.device("cpu"))
    torch.save({**state, "seconds": 6000.0}, run.checkpoint_path)

    execute(run)

    assert 6000 < run.status().seconds < 6060
    assert 100 <= load_bundle(run.bundle_path).card.training["minutes"] < 101


@pytest.mark.parametrize("steps", [1, 3, 4, 6], ids="after step {}".format)
def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(
    uninterrupted: Run, config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    run = create_run(config, tmp_path / "run")
    with monkeypatch.context() as patch:
        _stop_after(steps, patch)
        assert execute(run).state == "stopped"
    assert run.status().state == "stopped"
    assert not run.bundle_path.exists()
    assert (run.status().step, run.status().steps) == (steps, 8)

    assert execute(run).state == "finished"

    assert f"Going on at step {steps % 4 + 1 if steps != 4 else 5} of epoch {1 if steps <= 4 else 2}" in run.log_tail()
    _assert_same_result(run, uninterrupted)


@pytest.fixture
def _short_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A point of the curve within an epoch for every three steps, of which an epoch has four."""
    monkeypatch.setattr(losses, "UNREAD", 3)
    monkeypatch.setattr(losses, "POINTS", 1)


@pytest.mark.usefixtures("_short_curves")
@pytest.mark.parametrize("left", ["", "step,loss\n3,0.5\n4,0.5\n7,0.5\n8,0.1\n9,", "step,loss\nwrong", "st"])
def test_the_curve_within_an_epoch_goes_on_from_the_checkpoint(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    whole, run = create_run(config, tmp_path / "whole"), create_run(config, tmp_path / "run")
    execute(whole)
    with monkeypatch.context() as patch:
        _stop_after(6, patch)
        execute(run)
    assert run.steps()["step"].tolist() == [3, 4]
    before = run.steps()
    if left:  # what a killed process wrote after its last checkpoint, up to the middle of a line
        (run.path / "steps.csv").write_text(left)

    execute(run)

    found = whole.steps()
    assert found["step"].tolist() == [3, 4, 7, 8]
    # Each epoch's mean is that of its parts: three steps and one.
    parts = found["loss"].to_numpy().reshape(2, 2)
    assert (0.75 * parts[:, 0] + 0.25 * parts[:, 1]).tolist() == pytest.approx(whole.metrics()["train_loss"].tolist())
    kept = {"": before["loss"].tolist(), "step,loss\n3,0.5\n4,0.5\n7,0.5\n8,0.1\n9,": [0.5, 0.5]}.get(left, [])
    assert run.steps()["loss"].tolist() == [*kept, *found["loss"].tolist()[2:]]
    assert (run.path / "metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()


def test_a_short_epoch_has_a_point_for_each_step(uninterrupted: Run) -> None:
    assert uninterrupted.steps()["step"].tolist() == [*range(1, 9)]


def test_a_run_that_dies_before_its_last_word_still_gets_whole_metrics(
    uninterrupted: Run, config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(config, tmp_path / "run")

    def killed(self: Run, rows: list[Any]) -> None:
        if len(rows) == 2:
            raise SystemExit(9)
        write(self, rows)

    write = Run.write_metrics
    with monkeypatch.context() as patch:
        patch.setattr(Run, "write_metrics", killed)
        with pytest.raises(SystemExit):
            execute(run)
    assert len(run.metrics()) == 1

    assert execute(run).state == "finished"

    _assert_same_result(run, uninterrupted)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(int(sys.argv[3]))
from core.runs import open_run
from core.training import trainer
from core.training.execute import execute
trainer.CHECKPOINT_SECONDS = -1.0
run, what = open_run(Path(sys.argv[1])), sys.argv[2]
def die():
    os.kill(os.getpid(), signal.SIGKILL)
if what == "within a save":
    save = torch.save
    def half(state, path):
        if state["position"][:2] == [0, 4]:
            path.write_bytes(b"half a file")
            die()
        save(state, path)
    torch.save = half
elif what == "before the metrics":
    type(run).write_metrics = lambda self, rows: die()
else:
    real = trainer.Trainer._step
    def step(self, rows):
        if self.state.epoch * self.steps_per_epoch + self.state.step_in_epoch == int(what):
            die()
        return real(self, rows)
    trainer.Trainer._step = step
execute(run)
"""


@pytest.mark.slow
def test_a_run_killed_at_many_points_goes_on_as_if_it_had_never_been_killed(
    config: TrainingConfig,
    kaggle_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_bundle: Bundle,
) -> None:
    monkeypatch.setattr("core.training.execute.open_dataset", open_dataset)
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(80)}, test=tuple("abcdefghij"))
    tiny_bundle.save(tmp_path / "teacher.safetensors")
    config = config.with_changes(
        data=(str(folder),), teachers=(str(tmp_path / "teacher.safetensors"),), distillation=0.5, unlabelled=True
    )
    runs = [create_run(config, tmp_path / name) for name in ("killed", "whole")]
    root = Path(__file__).resolve().parents[3]
    points = {"2": [0, 2], "within a save": [0, 3], "before the metrics": [1, 0], "6": [1, 2]}

    for point, position in points.items():
        command = [sys.executable, "-c", KILLED, runs[0].path, point, str(torch.get_num_threads())]
        killed = subprocess.run(command, cwd=root, env=dict(os.environ), capture_output=True, timeout=120)
        assert killed.returncode == -signal.SIGKILL, point
        assert runs[0].status().state == "lost", point
        assert load_checkpoint(runs[0].checkpoint_path, torch.device("cpu"))["position"][:2] == position, point
    for run in runs:
        assert execute(run).state == "finished"

    _assert_same_result(*runs)


def test_a_full_disk_stops_the_run_and_loses_nothing(
    uninterrupted: Run, config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(config, tmp_path / "run")
    real = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).name == "checkpoint.pt" and len(run.metrics()) == 1:
            raise OSError(28, "No space left on device")
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(StorageError, match=r"checkpoint.pt could not be written to .*: No space left on device"):
            execute(run)
    assert run.status().state == "failed"
    assert load_checkpoint(run.checkpoint_path, torch.device("cpu"))["position"][:2] == [1, 0]
    assert not list(run.path.glob(".checkpoint*"))

    assert execute(run).state == "finished"

    _assert_same_result(run, uninterrupted)


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_a_run_with_all_options_goes_on_exactly_too(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, balance: str
) -> None:
    config = config.with_changes(balance=balance, clip=0.5, augmentation=Augmentation(blur=1.0, zoom=0.2, jpeg=0.5))
    runs = [create_run(config, tmp_path / name) for name in ("stopped", "whole")]
    with monkeypatch.context() as patch:
        _stop_after(3, patch)
        execute(runs[0])

    for run in runs:
        execute(run)

    _assert_same_result(*runs)


def test_an_interrupted_run_is_stopped_and_can_go_on(
    uninterrupted: Run, config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(config, tmp_path / "run")

    def interrupt(self: trainer.Trainer) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "_after_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            execute(run)

    assert run.status().state == "stopped"
    assert run.status().message == "Interrupted; it can be resumed from its last checkpoint."
    execute(run)
    _assert_same_result(run, uninterrupted)
