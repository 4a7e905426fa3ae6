"""Whole runs, small ones: their files, and going on as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import torch

from core.data import Dataset, assign, default_rule, open_dataset
from core.errors import StorageError
from core.prediction import Bundle, Predictor, load_bundle
from core.training import Augmentation, TrainingConfig, create_run, loop
from core.training.checkpoint import load_checkpoint
from core.training.execute import execute
from core.training.run import METRICS, Run

CONFIG = TrainingConfig(
    epochs=2,
    batch_size=16,
    ema=0.9,
    augmentation=Augmentation(stain=0.1, brightness=0.05, rotation=10),
    schedule="one-cycle",
    device="cpu",
)


@pytest.fixture(autouse=True)
def _opened(monkeypatch: pytest.MonkeyPatch, coloured: Dataset) -> None:
    monkeypatch.setattr("core.training.execute.open_dataset", lambda *_, **__: coloured)


def _files(run: Run) -> set[str]:
    return {path.name for path in run.path.iterdir() if not path.name.startswith(".")}


def _weights(run: Run) -> dict[str, torch.Tensor]:
    return load_bundle(run.bundle_path).weights


def _assert_same_result(run: Run, other: Run) -> None:
    assert (run.path / "metrics.csv").read_bytes() == (other.path / "metrics.csv").read_bytes()
    assert (run.path / "patches.csv").read_bytes() == (other.path / "patches.csv").read_bytes()
    assert (run.path / "predictions.csv").read_bytes() == (other.path / "predictions.csv").read_bytes()
    mine, theirs = _weights(run), _weights(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())
    states = [load_checkpoint(each.checkpoint_path, torch.device("cpu")) for each in (run, other)]
    assert all(torch.equal(value, states[1]["model"][name]) for name, value in states[0]["model"].items())
    assert states[0]["position"] == states[1]["position"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, coloured: Dataset) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.training.execute.open_dataset", lambda *_, **__: coloured)
        run = create_run(CONFIG, tmp_path_factory.mktemp("runs") / "whole")
        status = execute(run)
    assert (status.state, status.step, status.steps, status.epoch) == ("finished", status.steps, status.steps, 2)
    return run


def test_a_run_says_what_it_does_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    write = Run.write_status
    monkeypatch.setattr(Run, "write_status", lambda run, status: (seen.append(status.stage), write(run, status))[1])

    execute(create_run(CONFIG.with_changes(epochs=1), tmp_path / "run"))

    stages = ["Opening the data", "Reading patches (100%)", "Preparing the network", "Validating"]
    assert [each for each in dict.fromkeys(seen) if each in stages] == stages


def test_a_finished_run_has_all_its_files(uninterrupted: Run) -> None:
    assert _files(uninterrupted) == {
        "config.json", "process.json", "status.json", "metrics.csv", "speed.csv", "patches.csv", "data.json",
        "decisions-0.csv", "split.csv", "checkpoint.pt", "log.txt", "predictions.csv", "test_predictions.csv",
        "bundle.safetensors",
    }  # fmt: skip
    assert uninterrupted.status().state == "finished"
    assert uninterrupted.status().message == ""
    assert "Finished; the bundle is" in uninterrupted.log_tail()


def test_metrics_have_a_row_an_epoch(uninterrupted: Run) -> None:
    metrics = uninterrupted.metrics()

    assert tuple(metrics.columns) == METRICS
    assert metrics["epoch"].tolist() == [1, 2]
    assert metrics["valid_auc"].between(0, 1).all()
    assert 0 < metrics["train_loss"].iloc[1] < metrics["train_loss"].iloc[0] < 1.5
    speed = uninterrupted.speed()
    assert speed["epoch"].tolist() == [1, 2]
    assert (speed["patches_per_second"] > 0).all()


def test_the_time_of_all_sessions_adds_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run(CONFIG, tmp_path / "run")
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


def test_the_split_is_that_of_the_rule(uninterrupted: Run, coloured: Dataset) -> None:
    split = pd.read_csv(uninterrupted.path / "split.csv")

    assert split["id"].tolist() == list(coloured.table["id"])
    assert split["part"].tolist() == assign(coloured, default_rule(coloured)).tolist()
    (data,) = json.loads((uninterrupted.path / "data.json").read_text())
    assert data["fingerprint"] == coloured.fingerprint()
    assert data["patches"] == split["part"].value_counts().to_dict()


def test_the_bundle_predicts_what_the_run_wrote_down(uninterrupted: Run, coloured: Dataset) -> None:
    written = pd.read_csv(uninterrupted.path / "predictions.csv")
    valid = np.flatnonzero(assign(coloured, default_rule(coloured)) == "valid")

    predictions = Predictor(load_bundle(uninterrupted.bundle_path), device="cpu").predict(
        coloured.store.load(valid).pixels
    )

    assert written["id"].tolist() == coloured.table["id"].iloc[valid].tolist()
    assert written["label"].tolist() == coloured.labels(valid).tolist()
    assert written["probability"].tolist() == predictions.probabilities.tolist()
    assert written["logit"].astype(np.float32).tolist() == predictions.logits.tolist()


def test_the_card_says_where_the_weights_come_from(uninterrupted: Run, coloured: Dataset) -> None:
    card = load_bundle(uninterrupted.bundle_path).card

    assert card.model == "notebook-cnn"
    assert card.training["config"] == CONFIG.provenance() | {
        name: list(value) for name, value in CONFIG.provenance().items() if isinstance(value, tuple)
    }
    assert card.training["data"][0]["fingerprint"] == coloured.fingerprint()
    assert card.training["data"][0]["split"] == default_rule(coloured).to_json()
    assert [(each.part, each.data) for each in card.measured] == [("test", "coloured"), ("valid", "coloured")]
    assert any("patches of one slide may stand on both sides" in note for note in card.notes)
    assert str(uninterrupted.path) not in json.dumps(card.to_json())


def _stop_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the stop file, as a person would, after so many steps."""
    seen = 0
    real = loop.Loop._after_step

    def counted(self: loop.Loop) -> None:
        nonlocal seen
        seen += 1
        if seen == steps:
            self.run.request_stop()
        real(self)

    monkeypatch.setattr(loop.Loop, "_after_step", counted)


@pytest.mark.parametrize("steps", [1, 3, 4, 6], ids="after step {}".format)
def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(
    uninterrupted: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    run = create_run(CONFIG, tmp_path / "run")
    with monkeypatch.context() as patch:
        _stop_after(steps, patch)
        assert execute(run).state == "stopped"
    assert run.status().state == "stopped"
    assert not run.bundle_path.exists()
    assert (run.status().step, run.status().steps) == (steps, 8)

    assert execute(run).state == "finished"

    assert f"Going on at step {steps % 4 + 1 if steps != 4 else 5} of epoch {1 if steps <= 4 else 2}" in run.log_tail()
    _assert_same_result(run, uninterrupted)


def test_a_run_that_dies_before_its_last_word_still_gets_whole_metrics(
    uninterrupted: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(CONFIG, tmp_path / "run")

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
from core.training import loop, open_run
from core.training.execute import execute
loop.CHECKPOINT_SECONDS = -1.0
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
    real = loop.Loop._step
    def step(self, rows):
        if self.epoch * self.steps_per_epoch + self.step_in_epoch == int(what):
            die()
        return real(self, rows)
    loop.Loop._step = step
execute(run)
"""


@pytest.mark.slow
def test_a_run_killed_at_many_points_goes_on_as_if_it_had_never_been_killed(
    kaggle_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Bundle
) -> None:
    monkeypatch.setattr("core.training.execute.open_dataset", open_dataset)
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(80)}, test=tuple("abcdefghij"))
    tiny_bundle.save(tmp_path / "teacher.safetensors")
    config = CONFIG.with_changes(
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
    uninterrupted: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(CONFIG, tmp_path / "run")
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, balance: str
) -> None:
    config = CONFIG.with_changes(balance=balance, clip=0.5, augmentation=Augmentation(blur=1.0, cutout=0.5))
    runs = [create_run(config, tmp_path / name) for name in ("stopped", "whole")]
    with monkeypatch.context() as patch:
        _stop_after(3, patch)
        execute(runs[0])

    for run in runs:
        execute(run)

    _assert_same_result(*runs)


def test_an_interrupted_run_is_stopped_and_can_go_on(
    uninterrupted: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(CONFIG, tmp_path / "run")

    def interrupt(self: loop.Loop) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop.Loop, "_after_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            execute(run)

    assert run.status().state == "stopped"
    assert run.status().message == "Interrupted; it can be resumed from its last checkpoint."
    execute(run)
    _assert_same_result(run, uninterrupted)


def test_patience_ends_a_run_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "roc_auc_score", lambda *_: 0.5)
    run = create_run(CONFIG.with_changes(epochs=9, patience=2), tmp_path / "run")

    execute(run)

    assert len(run.metrics()) == 3
    assert load_bundle(run.bundle_path).card.training["epoch_kept"] == 1


@pytest.mark.parametrize(("keep", "kept"), [("best", 1), ("last", 2)])
def test_the_epoch_that_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str, kept: int) -> None:
    scores = iter([0.9, 0.8])
    monkeypatch.setattr(loop, "roc_auc_score", lambda *_: next(scores))
    run = create_run(CONFIG.with_changes(keep=keep), tmp_path / "run")

    execute(run)

    assert load_bundle(run.bundle_path).card.training["epoch_kept"] == kept
    state = load_checkpoint(run.checkpoint_path, torch.device("cpu"))
    same = all(torch.equal(value, state["average"][name]) for name, value in state["weights"].items())
    assert same == (keep == "last")


def test_a_small_demo_run_keeps_slides_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_demo: Dataset
) -> None:
    monkeypatch.setattr("core.training.execute.open_dataset", lambda *_, **__: small_demo)
    run = create_run(CONFIG.with_changes(epochs=1), tmp_path / "run")

    execute(run)

    card = load_bundle(run.bundle_path).card
    assert card.training["data"][0]["split"]["kind"] == "official"
    assert any("Synthetic demo" in note for note in card.notes)
    test, valid = card.measured
    assert (test.part, test.evaluation.resampled) == ("test", "slide")
    assert test.evaluation.n == card.training["data"][0]["patches"]["test"]
    assert valid.fingerprint == small_demo.fingerprint()


def test_the_process_that_worked_is_written_down(uninterrupted: Run) -> None:
    record = json.loads((uninterrupted.path / "process.json").read_text())

    assert record == {"pid": os.getpid(), "created": psutil.Process().create_time()}
