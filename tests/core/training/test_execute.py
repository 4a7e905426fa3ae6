"""Whole runs, small ones: what they say and leave behind."""

import json
import os
import platform
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch

from core.bundle import load_bundle
from core.data import Dataset, assign, choose_rule
from core.prediction import Predictor
from core.runs import TrainingConfig, create_run
from core.runs.run import Run
from core.runs.tables import METRICS_COLUMNS
from core.training import validation
from core.training.checkpoint import load_checkpoint
from core.training.execute import execute

CONFIG = TrainingConfig(epochs=2, batch_size=16, ema=0.9, device="cpu")


@pytest.fixture(autouse=True)
def _opened(monkeypatch: pytest.MonkeyPatch, coloured: Dataset) -> None:
    monkeypatch.setattr("core.training.execute.open_dataset", lambda *_, **__: coloured)


def _files(run: Run) -> set[str]:
    return {path.name for path in run.path.iterdir() if not path.name.startswith(".")}


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
        "steps.csv", "decisions-0.csv", "split.csv", "checkpoint.pt", "log.txt", "predictions.csv",
        "test_predictions.csv", "bundle.safetensors",
    }  # fmt: skip
    assert uninterrupted.status().state == "finished"
    assert uninterrupted.status().message == ""
    assert "Finished; the bundle is" in uninterrupted.log_tail()


def test_metrics_have_a_row_an_epoch(uninterrupted: Run) -> None:
    metrics = uninterrupted.metrics()

    assert tuple(metrics.columns) == METRICS_COLUMNS
    assert metrics["epoch"].tolist() == [1, 2]
    assert metrics["valid_auc"].between(0, 1).all()
    assert 0 < metrics["train_loss"].iloc[1] < metrics["train_loss"].iloc[0] < 1.5
    speed = uninterrupted.speed()
    assert speed["epoch"].tolist() == [1, 2]
    assert (speed["patches_per_second"] > 0).all()


def test_the_split_is_that_of_the_rule(uninterrupted: Run, coloured: Dataset) -> None:
    split = pd.read_csv(uninterrupted.path / "split.csv")

    assert split["id"].tolist() == list(coloured.table["id"])
    assert split["part"].tolist() == assign(coloured, choose_rule(coloured)).tolist()
    (data,) = json.loads((uninterrupted.path / "data.json").read_text())
    assert data["fingerprint"] == coloured.fingerprint()
    assert data["patches"] == split["part"].value_counts().to_dict()


def test_the_bundle_predicts_what_the_run_wrote_down(uninterrupted: Run, coloured: Dataset) -> None:
    written = pd.read_csv(uninterrupted.path / "predictions.csv")
    valid = np.flatnonzero(assign(coloured, choose_rule(coloured)) == "valid")

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
    settings = uninterrupted.config().provenance()
    assert card.training["config"] == settings | {
        name: list(value) for name, value in settings.items() if isinstance(value, tuple)
    }
    assert card.training["data"][0]["fingerprint"] == coloured.fingerprint()
    assert card.training["data"][0]["split"] == choose_rule(coloured).to_json()
    assert [(each.split, each.data) for each in card.measured] == [("test", "coloured"), ("valid", "coloured")]
    assert any("patches of one slide may stand on both sides" in note for note in card.notes)
    assert str(uninterrupted.path) not in json.dumps(card.to_json())


def test_the_card_has_thresholds_for_slides_and_says_how_it_does_on_the_other_half(uninterrupted: Run) -> None:
    card = load_bundle(uninterrupted.bundle_path).card
    written = pd.read_csv(uninterrupted.path / "predictions.csv")
    normal = written["probability"][written["label"] == 0]

    assert card.slide_threshold is None
    for threshold, most in zip(card.slide_thresholds, (0.045, 0.005), strict=True):
        assert (normal >= threshold).mean() <= most
    assert [note for note in card.notes if "measured on the other" in note]


def test_patience_ends_a_run_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "roc_auc_score", lambda *_: 0.5)
    run = create_run(CONFIG.with_changes(epochs=9, patience=2), tmp_path / "run")

    execute(run)

    assert len(run.metrics()) == 3
    assert load_bundle(run.bundle_path).card.training["epoch_kept"] == 1


@pytest.mark.parametrize(("keep", "kept"), [("best", 1), ("last", 2)])
def test_the_epoch_that_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str, kept: int) -> None:
    scores = iter([0.9, 0.8])
    monkeypatch.setattr(validation, "roc_auc_score", lambda *_: next(scores))
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
    assert (test.split, test.evaluation.resampled) == ("test", "slide")
    assert test.evaluation.n == card.training["data"][0]["patches"]["test"]
    assert valid.fingerprint == small_demo.fingerprint()


def test_the_process_that_worked_is_written_down(uninterrupted: Run) -> None:
    record = json.loads((uninterrupted.path / "process.json").read_text())

    assert (record["pid"], record["created"]) == (os.getpid(), psutil.Process().create_time())
    assert record["host"] == platform.node()
