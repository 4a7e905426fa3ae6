"""Runs that fail or are asked to end early: each leaves a sentence, and nothing is lost."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import models
from core.bundle import load_bundle
from core.data import Dataset
from core.errors import DataError, StorageError, TrainingError
from core.runs import TrainingConfig, create_run
from core.training import trainer, validation
from core.training.checkpoint import load_checkpoint
from core.training.execute import execute

CONFIG = TrainingConfig(epochs=2, batch_size=16, device="cpu")


@pytest.fixture(autouse=True)
def _opened(monkeypatch: pytest.MonkeyPatch, coloured: Dataset) -> None:
    monkeypatch.setattr("core.training.execute.open_dataset", lambda *_, **__: coloured)


def test_a_loss_that_is_no_number_fails_with_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = trainer.Trainer._step
    monkeypatch.setattr(
        trainer.Trainer,
        "_step",
        lambda self, rows: torch.tensor(torch.nan) if self.state.step_in_epoch == 2 else real(self, rows),
    )
    run = create_run(CONFIG, tmp_path / "run")

    with pytest.raises(TrainingError, match=r"The loss became nan in step 3 of epoch 1. Try a lower learning rate"):
        execute(run)

    status = run.status()
    assert status.state == "failed"
    assert status.message.startswith("The loss became nan in step 3 of epoch 1.")
    assert "ERROR The loss became nan in step 3" in run.log_tail()


def test_weights_that_break_in_the_last_step_of_an_epoch_fail_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation.Forward, "logits", lambda _self, _model, part: np.full(len(part), np.nan))
    run = create_run(CONFIG, tmp_path / "run")

    with pytest.raises(TrainingError, match="gives no numbers any more after step 4 of epoch 1"):
        execute(run)

    assert run.status().message.startswith("The network gives no numbers any more")


def test_a_data_set_that_cannot_be_opened_fails_with_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(source: str, **_: object) -> Dataset:
        raise DataError("There is no folder x.")

    monkeypatch.setattr("core.training.execute.open_dataset", missing)
    run = create_run(CONFIG, tmp_path / "run")

    with pytest.raises(DataError):
        execute(run)

    assert (run.status().state, run.status().message) == ("failed", "There is no folder x.")


def test_a_defect_surfaces_and_stands_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "build", lambda *_, **__: 1 / 0)
    run = create_run(CONFIG, tmp_path / "run")

    with pytest.raises(ZeroDivisionError):
        execute(run)

    assert run.status().message == "ZeroDivisionError: division by zero"
    assert "Traceback" in run.log_tail()


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run(CONFIG, tmp_path / "run")
    real = torch.save

    def full(state: dict[str, Any], path: Path) -> None:
        if state["position"][0] == 2:
            raise RuntimeError("PytorchStreamWriter failed writing file data/7: file write failed")
        real(state, path)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(StorageError, match="The checkpoint could not be written"):
        execute(run)

    assert run.status().state == "failed"
    assert load_checkpoint(run.checkpoint_path, torch.device("cpu"))["position"][0] == 1


def test_a_request_from_before_the_process_is_forgotten(tmp_path: Path) -> None:
    run = create_run(CONFIG.with_changes(epochs=1), tmp_path / "run")
    run.request_stop()

    assert execute(run).state == "finished"


def test_a_request_while_the_launched_process_starts_is_honoured(tmp_path: Path) -> None:
    run = create_run(CONFIG, tmp_path / "run")
    run.record_process(os.getpid())  # as job.launch does
    run.request_stop()

    assert execute(run).state == "stopped"

    assert not run.checkpoint_path.exists()  # it stopped before it began
    assert not run.stop_requested()


def test_a_network_that_gives_every_patch_the_same_answer_is_finished_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def collapse(self: trainer.Trainer) -> None:
        for name, value in self.train_step.average.average.items():
            if name.startswith("network."):  # beside it stands the normalisation
                value.zero_()
        real(self)

    real = trainer.Trainer._end_epoch
    monkeypatch.setattr(trainer.Trainer, "_end_epoch", collapse)
    run = create_run(CONFIG.with_changes(epochs=1), tmp_path / "run")

    assert execute(run).state == "finished"

    card = load_bundle(run.bundle_path).card
    assert card.measured[0].evaluation.metrics["auc"].value == 0.5
    assert card.operating is not None
    assert len(card.operating.thresholds) == 1
