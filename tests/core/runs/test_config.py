"""The settings of a run: they go to JSON and back, and what cannot be is refused."""

import dataclasses
import json
from typing import Any

import pytest

from core.errors import ConfigError
from core.runs import PRESETS, Augmentation, TrainingConfig, preset


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_goes_to_json_and_back(name: str) -> None:
    config = preset(name)

    assert TrainingConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert config.preset == name


def test_every_setting_survives_json() -> None:
    config = TrainingConfig(
        data=("demo", "/x"),
        model="resnet18",
        model_arguments={"a": [1, 2]},
        mean=(0.1, 0.2, 0.3),
        std=(1.0, 2.0, 3.0),
        head_learning_rate=0.5,
        schedule="plateau",
        ema=0.9,
        augmentation=Augmentation(symmetries=False, stain=0.1, brightness=0.2, rotation=30),
        keep="last",
        patience=3,
    )

    read = TrainingConfig.from_json(json.loads(json.dumps(config.to_json())))

    assert read == config
    assert isinstance(read.mean, tuple)
    assert isinstance(read.data, tuple)


WRONG: list[dict[str, Any]] = [
    *({name: "other"} for name in ("model", "optimiser", "schedule", "precision", "keep", "device")),
    {"data": ()},
    *({"epochs": value} for value in (0, 10_001, 1.5)),
    *({"batch_size": value} for value in (1, 65_537, 2.5)),
    *({"learning_rate": value} for value in (0, -1, 11, float("nan"))),
    *({"head_learning_rate": value} for value in (0, 11)),
    *({"weight_decay": value} for value in (-0.1, 1.1)),
    *({"plateau_patience": value} for value in (0, 10_001)),
    *({"label_smoothing": value} for value in (-0.1, 0.6)),
    *({"ema": value} for value in (-0.1, 1.0)),
    *({"patience": value} for value in (-1, 10_001)),
    *({"clip": value} for value in (-0.1, 1e7)),
    {"balance": "other"},
    *({"frozen_epochs": value} for value in (-1, 10_001, 1.5)),
    *({name: value} for name in ("seed", "split_seed") for value in (-1, 2**31)),
    *({"patches": value} for value in (-1, 2**31, 10.5)),
    *({"mean": value} for value in ((0.5, 0.5), (0.5, 0.5, float("nan")))),
    *({"std": value} for value in ((1.0, 1.0), (1.0, 1.0, 0.0), (1.0, -1.0, 1.0))),
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_what_cannot_be_is_refused_by_name_and_value(wrong: dict[str, Any]) -> None:
    (name, value), *_ = wrong.items()
    shown = "A run needs data" if name == "data" else rf"{name} .*.*, got .*{value if value != 'other' else 'other'}"
    shown = shown.replace("(", r"\(").replace(")", r"\)")

    with pytest.raises(ConfigError, match=shown):
        TrainingConfig(**wrong)
    with pytest.raises(ConfigError):
        TrainingConfig().with_changes(**wrong)


@pytest.mark.parametrize("edges", [
    {"epochs": 1, "batch_size": 2, "learning_rate": 1e-8, "weight_decay": 0, "label_smoothing": 0, "ema": 0, "seed": 0},
    {"epochs": 10_000, "batch_size": 65_536, "learning_rate": 10, "weight_decay": 1, "label_smoothing": 0.5},
    {"ema": 0.99999, "seed": 2**31 - 1, "patience": 10_000, "head_learning_rate": 10},
])  # fmt: skip
def test_the_ends_of_the_ranges_are_allowed(edges: dict[str, Any]) -> None:
    assert dataclasses.replace(TrainingConfig(), **edges).epochs >= 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"stain": 1.1},
        {"brightness": -0.1},
        {"rotation": 181},
        {"blur": 2.1},
        {"cutout": 2},
        {"moved": -1},
        {"stain": float("nan")},
    ],
)
def test_augmentation_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} must be 0 to "):
        Augmentation(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"epochs": 1, "momentum": 0.9, "nesterov": True}, "Unknown settings: momentum, nesterov"),
        ({"augmentation": {"mixup": 1}}, "settings of the run are damaged"),
        ({"epochs": "three"}, "settings of the run are damaged"),
        ({"mean": 0.5}, "settings of the run are damaged"),
    ],
)
def test_settings_of_another_version_are_refused(value: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainingConfig.from_json(value)


def test_provenance_holds_no_path_and_no_device() -> None:
    config = TrainingConfig(data=("/home/anna/data",), pretrained="/home/anna/weights/best.pth", device="cpu")

    provenance = config.provenance()

    assert "anna" not in json.dumps(provenance)
    assert provenance["pretrained"] == "best.pth"
    assert {"data", "device"}.isdisjoint(provenance)
    assert TrainingConfig(pretrained="imagenet").provenance()["pretrained"] == "imagenet"


def test_an_unknown_preset_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no preset 'fast'; choose from quick, transfer"):
        preset("fast")


def test_the_arguments_of_a_network_go_with_it() -> None:
    config = preset("transfer-large")

    assert config.model_arguments == {"side": 144}
    assert config.with_changes(model="efficientnet-lite0").model_arguments == {"side": 144}
    assert config.with_changes(model="resnet18").model_arguments == {}
    assert config.with_changes(model="resnet18", model_arguments={"dropout": 0.1}).model_arguments == {"dropout": 0.1}


def test_patches_can_be_enlarged_for_networks_that_take_that() -> None:
    config = preset("transfer-mobile")

    assert config.value("side") == 112
    assert config.with_changes(side=128).model_arguments == {"side": 128}
    assert config.with_changes(side=None).model_arguments == {}
    assert config.with_changes(model="efficientnet-lite0", side=112).value("side") == 112
    assert config.with_changes(model_arguments={"dropout": 0.1}, side=112).model_arguments == {
        "dropout": 0.1,
        "side": 112,
    }
    with pytest.raises(ConfigError, match="resnet18 takes patches as they are; leave side out"):
        config.with_changes(model="resnet18", side=112)
    with pytest.raises(ConfigError, match="side must be 96 to 512, got 64"):
        config.with_changes(side=64)


def test_settings_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainingConfig().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize("name", ["transfer", "symmetric"])
def test_in_batches_four_times_as_large_the_rate_doubles_and_the_average_sees_as_many_patches(name: str) -> None:
    small, large = preset(name), preset(f"{name}-gpu")

    assert (small.batch_size, large.batch_size) == (64, 256)
    assert large.learning_rate == pytest.approx(2 * small.learning_rate)
    assert large.ema ** (1 / 256) == pytest.approx(small.ema ** (1 / 64), abs=1e-6)
    same = {"batch_size", "learning_rate", "head_learning_rate", "ema", "preset"}
    assert {key: value for key, value in large.to_json().items() if key not in same} == {
        key: value for key, value in small.to_json().items() if key not in same
    }
    assert (large.head_learning_rate is None) == (small.head_learning_rate is None)
