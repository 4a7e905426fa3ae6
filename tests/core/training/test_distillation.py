"""Learning from trained networks: whose answer counts for how much, and that a run with teachers stays a run."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

import models
from core.bundle import Bundle, load_bundle
from core.commands import main
from core.data import open_dataset
from core.errors import ConfigError, RunError
from core.prediction import Predictor
from core.runs import Augmentation, TrainingConfig, create_run, open_run
from core.runs.run import Run
from core.training import trainer
from core.training.checkpoint import load_checkpoint
from core.training.data import UNLABELLED, Patches, gather
from core.training.distillation import Teachers, targets_of
from core.training.execute import execute
from core.training.step import TrainStep

CPU = torch.device("cpu")
PLAIN = TrainingConfig(augmentation=Augmentation(symmetries=False), model_arguments={"dropout": 0.0}, device="cpu")


def _entropy(target: float, logit: float) -> float:
    probability = 1 / (1 + math.exp(-logit))
    return -target * math.log(probability) - (1 - target) * math.log(1 - probability)


def test_the_loss_is_shared_between_label_and_teachers() -> None:
    labels, logits, answers = [0.0, 1.0, -1.0], [0.5, 2.0, -1.0], [0.1, 0.7, 0.9]

    teaching = targets_of(
        torch.tensor(labels), smoothing=0.1, class_weights=torch.tensor([0.8, 1.5]), distillation=0.25
    )
    loss = teaching.loss(torch.tensor(logits), torch.tensor(answers))

    expected = [
        0.75 * 0.8 * _entropy(0.05, 0.5) + 0.25 * _entropy(0.1, 0.5),
        0.75 * 1.5 * _entropy(0.95, 2.0) + 0.25 * _entropy(0.7, 2.0),
        _entropy(0.9, -1.0),  # no label: the teachers alone
    ]
    assert loss.item() == pytest.approx(sum(expected) / 3, rel=1e-6)


def test_without_teachers_the_loss_is_that_towards_the_label() -> None:
    logits = torch.tensor([0.5, 2.0])

    loss = targets_of(torch.tensor([0.0, 1.0])).loss(logits)

    assert loss.item() == pytest.approx((_entropy(0.0, 0.5) + _entropy(1.0, 2.0)) / 2, rel=1e-6)


def test_a_part_of_a_lesson_teaches_the_same() -> None:
    whole = targets_of(torch.tensor([0.0, -1.0, 1.0]), class_weights=torch.tensor([1.0, 2.0]), distillation=0.5)

    part = whole.some(slice(1, 3))

    assert part.targets[1] == 1.0
    assert part.weights is not None
    assert part.weights.tolist() == [0.0, 1.0]
    assert part.teaching is not None
    assert part.teaching.tolist() == [1.0, 0.5]


@pytest.fixture
def other_bundle(tiny_bundle: Bundle) -> Bundle:
    """Another network behind another normalisation."""
    torch.manual_seed(1)
    weights = models.build("notebook-cnn").state_dict()
    return Bundle(tiny_bundle.card.with_changes(name="other", mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)), weights)


def test_the_answer_is_the_mean_of_the_probabilities_before_calibration(
    tiny_bundle: Bundle, other_bundle: Bundle
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    logits = [Predictor(bundle, device="cpu").predict(pixels).logits for bundle in (tiny_bundle, other_bundle)]

    answers = Teachers([tiny_bundle, other_bundle], device=CPU).probabilities(images)

    expected = np.mean([1 / (1 + np.exp(-each.astype(np.float64))) for each in logits], axis=0)
    np.testing.assert_allclose(answers.numpy(), expected, atol=1e-5)
    assert not answers.is_inference()
    assert np.ptp(expected) > 1e-3


def _train_step(config: TrainingConfig, labels: list[int]) -> TrainStep:
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), 96, 96, 3), dtype=np.uint8)
    train_step = TrainStep(config, Patches(np.arange(len(labels)).astype(str), pixels, np.array(labels), None))
    train_step.prepare(frozen=False)
    return train_step


def _made(train_step: TrainStep, count: int) -> tuple[float, Tensor]:
    loss = train_step.gradients.make(train_step.loader.batch(np.arange(count), 0))
    parameters = train_step.network.parameters()
    return loss.item(), torch.cat([each.grad.flatten() for each in parameters if each.grad is not None])


@pytest.fixture
def teacher(tiny_bundle: Bundle, tmp_path: Path) -> str:
    """The path of a bundle that teaches."""
    tiny_bundle.save(tmp_path / "teacher.safetensors")
    return str(tmp_path / "teacher.safetensors")


def test_with_distillation_1_the_labels_do_not_matter(teacher: str) -> None:
    config = PLAIN.with_changes(teachers=(teacher,), distillation=1.0, balance="weights", label_smoothing=0.1)

    loss, values = _made(_train_step(config, [0, 0, 0, 1]), 4)
    other_loss, other_values = _made(_train_step(config, [1, 1, 0, 1]), 4)

    assert loss == other_loss
    assert torch.equal(values, other_values)
    assert values.abs().max() > 0
    with_labels, _ = _made(_train_step(config.with_changes(distillation=0.9), [1, 1, 0, 1]), 4)
    assert with_labels != loss


def test_an_unlabelled_patch_is_taught_by_the_teachers_alone(teacher: str, tiny_bundle: Bundle) -> None:
    config = PLAIN.with_changes(teachers=(teacher,), distillation=0.5, unlabelled=True, balance="weights")
    train_step = _train_step(config, [0, 1, -1, -1])

    loss, _ = _made(train_step, 4)

    images = train_step.loader.batch(np.arange(4), 0).images
    with torch.no_grad():
        logits, answers = train_step.network(images).tolist(), tiny_bundle.network()(images).sigmoid().tolist()
    towards_teacher = [_entropy(answer, logit) for answer, logit in zip(answers, logits, strict=True)]
    towards_label = [_entropy(0, logits[0]), _entropy(1, logits[1])]
    expected = sum(towards_label) / 2 + sum(towards_teacher[:2]) / 2 + sum(towards_teacher[2:])
    assert loss == pytest.approx(expected / 4, rel=1e-5)


def test_a_moved_patch_is_taught_by_the_teachers_alone(teacher: str, tiny_bundle: Bundle) -> None:
    config = PLAIN.with_changes(teachers=(teacher,), augmentation=Augmentation(symmetries=False, moved=1.0))
    train_step = _train_step(config, [0, 1, 1, 0])

    loss, _ = _made(train_step, 4)

    batch = train_step.loader.batch(np.arange(4), 0)
    assert batch.labels.tolist() == [-1, -1, -1, -1]
    with torch.no_grad():
        logits = train_step.network(batch.images).tolist()
        answers = tiny_bundle.network()(batch.images).sigmoid().tolist()
    expected = [_entropy(answer, logit) for answer, logit in zip(answers, logits, strict=True)]
    assert loss == pytest.approx(sum(expected) / 4, rel=1e-5)


def test_teachers_see_the_patches_as_the_student_sees_them(teacher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = PLAIN.with_changes(
        teachers=(teacher,), distillation=1.0, augmentation=Augmentation(stain=0.3, cutout=0.5, rotation=20)
    )
    train_step = _train_step(config, [0, 1, 0, 1, 0])
    seen: list[Tensor] = []
    real = Teachers.probabilities
    monkeypatch.setattr(Teachers, "probabilities", lambda self, images: (seen.append(images), real(self, images))[1])
    train_step.network.register_forward_pre_hook(lambda _module, arguments: seen.append(arguments[0]))
    train_step.gradients.pieces = 2

    _made(train_step, 5)

    assert [len(images) for images in seen] == [3, 3, 2, 2]
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[2], seen[3])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"teachers": ("x",)}, "nothing is learnt from them"),
        ({"distillation": 0.5}, "distillation is 0.5, but there is no teacher"),
        ({"unlabelled": True}, "can only be learnt from with a teacher"),
        ({"augmentation": Augmentation(moved=0.5)}, "A moved patch has no label and can only be learnt from with a te"),
        ({"teachers": ("x",), "unlabelled": True, "balance": "sampling"}, "draws patches by their label"),
        ({"teachers": ("x",), "distillation": 1.5}, "distillation must be 0 to 1, got 1.5"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TrainingConfig(**changes)


def test_settings_come_back_from_json_and_the_card_names_no_place() -> None:
    config = TrainingConfig(teachers=("/a/b/one.safetensors", "/c/two.safetensors"), distillation=0.5)

    assert TrainingConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert config.provenance()["teachers"] == ["one.safetensors", "two.safetensors"]


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
    states = [load_checkpoint(run.checkpoint_path, CPU)["model"] for run in (whole, stopped)]
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
