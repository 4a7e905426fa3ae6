"""The card goes to JSON and back."""

import dataclasses
import json

import numpy as np
import pytest

from core.bundle import Card, Measurement
from core.errors import BundleError
from core.evaluation import Calibration, evaluate

EVALUATION = evaluate(np.arange(30) % 2, np.linspace(0, 1, 30), threshold=0.3, groups=[f"s{n // 5}" for n in range(30)])
SOURCE = {
    "name": "x",
    "kind": "kaggle",
    "fingerprint": "f" * 16,
    "patches": {"train": 20, "valid": 5, "test": 5},
    "split": {"kind": "hashed", "by": "slide", "seed": 0, "valid": 0.1, "test": 0.16},
}
CARD = Card(
    name="carte µ",
    model="keras-cnn",
    arguments={"dropout": 0.1},
    mean=(0.1, 0.2, 0.30000000000000004),
    std=(1 / 3, 0.5, 1.0),
    calibration=Calibration(temperature=1.7, bias=-0.1),
    threshold=0.123456789,
    training={"minutes": 1.5, "data": [SOURCE]},
    measured=(Measurement("x", "f" * 16, "test", EVALUATION), Measurement("x", "f" * 16, "valid", EVALUATION)),
    notes=("A note.",),
)


def test_it_comes_back_without_loss() -> None:
    assert Card.from_json(json.loads(json.dumps(CARD.to_json(), allow_nan=False))) == CARD


def test_one_class_alone_comes_back_too() -> None:
    evaluation = evaluate([1, 1, 1], [0.2, 0.4, 0.9], threshold=0.3)  # most of its figures are not defined
    card = CARD.with_changes(measured=(Measurement("x", "f" * 16, "test", evaluation),))

    read = Card.from_json(json.loads(json.dumps(card.to_json(), allow_nan=False)))

    assert read.to_json() == card.to_json()
    assert np.isnan(read.measured[0].evaluation.metrics["auc"].value)


@pytest.mark.parametrize("name", sorted(CARD.to_json().keys() - {"intended_use", "operating"}))
def test_a_missing_entry_is_named(name: str) -> None:
    value = CARD.to_json()
    del value[name]

    with pytest.raises(BundleError, match=f"card is incomplete or damaged: {name} is missing. Copy"):
        Card.from_json(value)


def test_a_changed_copy_leaves_the_card() -> None:
    other = CARD.with_changes(threshold=0.9)

    assert (other.threshold, CARD.threshold) == (0.9, 0.123456789)
    with pytest.raises(dataclasses.FrozenInstanceError):
        CARD.threshold = 0.5  # type: ignore[misc]
