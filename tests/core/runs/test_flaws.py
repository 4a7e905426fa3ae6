"""Recipes as they were reported: what they measure wrongly, and that nobody can take it for quality."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core.bundle import load_bundle
from core.data import ArrayStore, Dataset, make_table
from core.errors import ConfigError
from core.runs import PRESETS, Augmentation, TrainingConfig, create_run, preset
from core.runs.flaws import card_note, flaw_sentence, flaws
from core.training.execute import execute
from core.training.validation import validating


def test_each_earlier_recipe_is_there_as_meant_and_as_reported() -> None:
    for name in ("notebook", "keras", "resnet50"):
        assert flaws(preset(name)) == ()
        assert flaw_sentence(preset(name)) == ""
        assert preset(f"{name}-reported").split == "patch"
        assert preset(f"{name}-reported").model == preset(name).model


def test_the_flaws_are_those_of_the_reports() -> None:
    random = "split at random, so that patches of one slide stand on both sides"
    assert flaws(preset("notebook-reported")) == ("dropout stays on in validation", random)
    assert flaws(preset("keras-reported")) == ("validated on its own training patches", random)
    assert flaws(preset("resnet50-reported")) == (random,)
    assert preset("notebook-reported").augmentation == Augmentation(symmetries=False)
    assert flaw_sentence(preset("resnet50-reported")) == f"As reported, flawed: {random}."


def test_a_random_split_alone_is_no_report() -> None:
    assert flaws(preset("quick").with_changes(split="patch")) == ()


def test_the_flaw_stays_when_the_preset_is_called_otherwise() -> None:
    assert flaws(preset("keras-reported").with_changes(preset="mine")) == ("validated on its own training patches",)


def test_the_head_of_the_residual_network_is_trained_alone_first() -> None:
    config = preset("resnet50")

    assert (config.epochs, config.frozen_epochs, config.pretrained) == (10, 3, "imagenet")
    assert config.augmentation == Augmentation(symmetries=True, rotation=10.0, stain=0.1, brightness=0.05)


def test_nobody_validates_on_patches_without_labels() -> None:
    with pytest.raises(ConfigError, match="validate_on 'train' needs the label"):
        TrainingConfig(validate_on="train", unlabelled=True, teachers=("a",))
    with pytest.raises(ConfigError, match="validate_on must be one of valid, train"):
        TrainingConfig(validate_on="test")  # type: ignore[arg-type]


def test_dropout_is_on_only_where_asked_and_follows_seed_and_epoch() -> None:
    network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(400)).eval()
    ones = torch.ones(2, 400)

    def dropped(epoch: int, *, seed: int = 0, on: bool = True) -> torch.Tensor:
        config = TrainingConfig(dropout_in_validation=on, seed=seed)
        with validating(network, config, epoch), torch.no_grad():
            assert not network[1].training
            return network(ones)

    assert torch.equal(dropped(0), dropped(0))
    assert not torch.equal(dropped(0), dropped(1))
    assert not torch.equal(dropped(0), dropped(0, seed=1))
    assert 300 < int((dropped(0) == 0).sum()) < 500
    assert int((dropped(0, on=False) == 0).sum()) == 0
    assert not network[0].training


def test_the_note_names_the_flawed_figure_and_where_the_honest_one_is() -> None:
    row = {"epoch": 18.0, "valid_accuracy": 0.9421, "valid_auc": 0.98, "valid_loss": 0.1}

    (note,) = card_note(preset("keras-reported"), row)

    assert note.startswith("As reported, flawed: validated on its own training patches;")
    assert "accuracy of 0.942 and an AUC of 0.980 that way in epoch 18" in note
    assert "not a measurement of quality" in note
    assert card_note(preset("keras"), row) == ()


def _noise(labels: np.ndarray) -> Dataset:
    """Patches without anything to learn: whoever seems good at them has learnt them by heart."""
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), 96, 96, 3), dtype=np.uint8)
    pixels[labels == 1, :8, :8] = 0
    table = make_table([f"patch-{number}" for number in range(len(labels))], labels=labels, split="train")
    return Dataset("noise", "noise", "kaggle", table, ArrayStore(pixels))


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[TrainingConfig], Path]:
    labels = np.arange(100) % 2
    monkeypatch.setattr("core.training.execute.open_dataset", lambda *_, **__: _noise(labels))

    def run(config: TrainingConfig) -> Path:
        made = create_run(config, tmp_path / config.validate_on)
        execute(made)
        return made.path

    return run


def test_each_epoch_is_measured_on_the_training_patches_and_the_bundle_is_not(
    measured: Callable[[TrainingConfig], Path],
) -> None:
    flawed = TrainingConfig(epochs=1, batch_size=16, device="cpu", validate_on="train", preset="keras-reported")

    path = measured(flawed)

    split = dict(line.split(",") for line in (path / "split.csv").read_text().splitlines()[1:])
    watched = {line.split(",")[1] for line in (path / "patches.csv").read_text().splitlines()[1:]}
    shipped = {line.split(",")[0] for line in (path / "predictions.csv").read_text().splitlines()[1:]}
    assert {split[each] for each in watched} == {"train"}
    assert {split[each] for each in shipped} == {"valid"}
    card = load_bundle(path / "bundle.safetensors").card
    assert [each.split for each in card.measured] == ["test", "valid"]
    assert card.measured[1].evaluation.n == len(shipped)
    assert any(note.startswith("As reported, flawed: validated on its own training patches") for note in card.notes)


def test_the_names_of_presets_end_alike() -> None:
    assert [name for name in PRESETS if name.endswith("-reported")] == list(PRESETS)[-3:]
