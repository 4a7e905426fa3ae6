"""Runs with teachers stay runs: they go on exactly, with the same teachers only, and name them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from core.bundle import Bundle, load_bundle
from core.commands import main
from core.data import open_dataset
from core.errors import RunError
from core.runs import Augmentation, TrainingConfig, create_run, open_run
from core.runs.run import Run
from core.training import trainer
from core.training.checkpoint import load_checkpoint
from core.training.data import gather
from core.training.execute import execute
from core.training.patches import UNLABELLED


@pytest.fixture
def folder(kaggle_folder: Callable[..., Path]) -> Path:
    return kaggle_folder({f"{number:03}": number % 2 for number in range(90)}, test=("a", "b", "c", "d", "e", "f"))


def test_unlabelled_patches_join_the_training_patches_and_no_other_part(folder: Path) -> None:
    dataset = open_dataset(folder)
    plain, more = (
        gather([dataset], TrainingConfig()),
        gather([dataset], TrainingConfig(unlabelled=True, teachers=("a.safetensors",))),
    )

    assert more.train.ids.tolist() == [*plain.train.ids, "a", "b", "c", "d", "e", "f"]
    assert more.train.labels.tolist() == [*plain.train.labels, *[UNLABELLED] * 6]
    assert np.array_equal(more.train.pixels[-6:], dataset.store.load(range(90, 96)).pixels)
    assert more.valid.ids.tolist() == plain.valid.ids.tolist()
    assert more.test(0).ids.tolist() == plain.test(0).ids.tolist()
    pd.testing.assert_frame_equal(more.split_table(), plain.split_table())


def _config(folder: Path, *teachers: Path) -> TrainingConfig:
    return TrainingConfig(
        data=(str(folder),),
        epochs=2,
        batch_size=16,
        ema=0.9,
        teachers=tuple(map(str, teachers)),
        distillation=0.5,
        unlabelled=True,
        augmentation=Augmentation(stain=0.1),
        device="cpu",
    )


def _stopped(config: TrainingConfig, path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a run that was asked to stop in its third step."""
    run = create_run(config, path)
    real = trainer.Trainer._after_step

    def asked(self: trainer.Trainer) -> None:
        if self.state.step_in_epoch == 3:
            run.request_stop()
        real(self)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "_after_step", asked)
        assert execute(run).state == "stopped"
    return run


def test_a_run_with_teachers_goes_on_exactly_and_names_them(
    folder: Path, tiny_bundle: Bundle, other_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for bundle, path in zip((tiny_bundle, other_bundle), files, strict=True):
        bundle.save(path)
    config = _config(folder, *files)
    whole, stopped = create_run(config, tmp_path / "whole"), _stopped(config, tmp_path / "stopped", monkeypatch)

    for run in (whole, stopped):
        assert execute(run).state == "finished"

    for name in ("metrics.csv", "predictions.csv"):
        assert (whole.path / name).read_bytes() == (stopped.path / name).read_bytes()
    states = [load_checkpoint(run.checkpoint_path, torch.device("cpu"))["model"] for run in (whole, stopped)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    card = load_bundle(stopped.bundle_path).card
    assert card.training["teachers"] == [
        {"name": "tiny", "digest": tiny_bundle.digest, "model": "notebook-cnn"},
        {"name": "other", "digest": other_bundle.digest, "model": "notebook-cnn"},
    ]
    assert card.training["unlabelled"] == 6
    assert str(tmp_path) not in json.dumps(card.to_json())
    assert not any("another split" in note for note in card.notes)


def test_a_run_does_not_go_on_with_another_teacher(
    folder: Path, tiny_bundle: Bundle, other_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = tmp_path / "teacher.safetensors"
    tiny_bundle.save(teacher)
    run = _stopped(_config(folder, teacher), tmp_path / "run", monkeypatch)
    other_bundle.save(teacher)

    with pytest.raises(RunError, match=f"digests were {tiny_bundle.digest} and are {other_bundle.digest}"):
        execute(run)

    tiny_bundle.save(teacher)
    assert execute(run).state == "finished"


def test_a_teacher_of_another_split_is_noted(folder: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    dataset = open_dataset(folder)
    split = {"kind": "hashed", "by": "patch", "seed": 7, "valid": 0.1, "test": 0.16}
    source = {
        "fingerprint": dataset.fingerprint(),
        "name": dataset.name,
        "kind": dataset.kind,
        "split": split,
        "patches": {"train": 1, "valid": 1, "test": 1},
    }
    card = tiny_bundle.card.with_changes(training={"data": [source]})
    teacher = tmp_path / "teacher.safetensors"
    replace(tiny_bundle, card=card).save(teacher)
    run = create_run(_config(folder, teacher).with_changes(epochs=1), tmp_path / "run")

    execute(run)

    assert any("The teacher tiny" in note and "optimistic" in note for note in load_bundle(run.bundle_path).card.notes)


def test_the_command_line_takes_teachers_and_augmentation(folder: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher.safetensors"
    tiny_bundle.save(teacher)
    words = ["train", "--data", str(folder), "--quiet", "--preset", "quick", "--epochs", "1", "--device", "cpu"]
    given = ["--teacher", str(teacher), "--distillation", "0.7", "--unlabelled", "--ema", "0.5", "--stain", "0.3"]
    more = [
        "--brightness",
        "0.02",
        "--blur",
        "0.5",
        "--cutout",
        "0.25",
        "--rotation",
        "15",
        "--no-symmetries",
        "--moved",
        "0.5",
    ]

    run = tmp_path / "run"
    assert main([*words, *given, *more, "--label-smoothing", "0.1", "--run-dir", str(run)]) == 0

    config = open_run(run).config()
    assert (config.teachers, config.distillation, config.unlabelled) == ((str(teacher),), 0.7, True)
    assert (config.ema, config.label_smoothing) == (0.5, 0.1)
    assert config.augmentation == Augmentation(
        symmetries=False, stain=0.3, brightness=0.02, blur=0.5, cutout=0.25, rotation=15.0, moved=0.5
    )


def test_a_teacher_that_is_not_there_leaves_no_run_behind(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ["train", "--data", str(folder), "--teacher", str(tmp_path / "no"), "--distillation", "1"]

    assert main([*words, "--run-dir", str(run)]) == 2

    assert "There is no bundle at" in capsys.readouterr().err
    assert not run.exists()
