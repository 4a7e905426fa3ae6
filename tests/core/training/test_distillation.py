"""Learning from trained networks: whose answer counts for how much, and that a run with teachers stays a run."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core.bundle import Bundle
from core.errors import ConfigError
from core.prediction import Predictor
from core.runs import Augmentation, TrainingConfig
from core.training.distillation import Teachers, targets_of
from core.training.patches import Patches
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


@pytest.mark.parametrize("kind", ["moved", "blended"])
def test_a_patch_that_lost_its_label_is_taught_by_the_teachers_alone(
    teacher: str, tiny_bundle: Bundle, kind: str
) -> None:
    config = PLAIN.with_changes(teachers=(teacher,), augmentation=Augmentation(symmetries=False, **{kind: 1.0}))
    train_step = _train_step(config, [0, 1, 1, 0])

    loss, _ = _made(train_step, 4)

    batch = train_step.loader.batch(np.arange(4), 0)
    assert batch.labels.tolist() == [-1, -1, -1, -1]
    with torch.no_grad():
        logits = train_step.network(batch.images).tolist()
        answers = tiny_bundle.network()(batch.images).sigmoid().tolist()
    expected = [_entropy(answer, logit) for answer, logit in zip(answers, logits, strict=True)]
    assert loss == pytest.approx(sum(expected) / 4, rel=1e-5)


def test_a_blend_is_the_same_for_any_number_of_processes(teacher: str) -> None:
    config = PLAIN.with_changes(teachers=(teacher,), augmentation=Augmentation(symmetries=False, blended=0.5))
    loader = _train_step(config, [0, 1] * 8).loader
    whole = loader.batch(np.arange(16), 3)

    loader._share = (1, 2)
    half = loader.batch(np.arange(16), 3)

    assert torch.equal(half.images, whole.images[1::2])
    assert torch.equal(half.labels, whole.labels[1::2])
    assert 0 < int((whole.labels == -1).sum()) < 16


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
        ({"distillation": 0.5}, r"The share of the teachers \(distillation\) is 0.5, but no teacher is named"),
        ({"unlabelled": True}, "can only be learnt from with a teacher"),
        ({"augmentation": Augmentation(moved=0.5)}, "A moved or blended patch has no label and can only be learnt f"),
        ({"augmentation": Augmentation(blended=0.5)}, "A moved or blended patch has no label and can only be learnt f"),
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
