"""Patches whose probability is kept after each epoch."""

import math

import numpy as np

from core.training.patches import Patches
from core.training.validation import tracked_probabilities, tracked_rows


def test_half_of_them_is_of_each_class_and_a_seed_draws_the_same() -> None:
    labels = (np.arange(1000) % 5 == 0).astype(np.int64)

    rows = tracked_rows(labels, seed=3)

    assert labels[rows].tolist() == [0] * 12 + [1] * 12
    assert len(set(rows.tolist())) == 24
    assert rows.tolist() == tracked_rows(labels, seed=3).tolist()
    assert rows.tolist() != tracked_rows(labels, seed=4).tolist()


def test_few_patches_are_all_watched() -> None:
    assert tracked_rows(np.array([1, 0, 1, 0, 0]), seed=0).tolist() == [1, 3, 4, 0, 2]


def test_the_probability_is_the_network_s_own() -> None:
    part = Patches(np.array(["a", "b", "c"], object), np.zeros((3, 96, 96, 3), np.uint8), np.array([0, 1, 1]), None)

    rows = tracked_probabilities(part, np.array([0, 2]), np.array([-math.log(3), 5.0, 1e4]), epoch=7)

    assert [(row["epoch"], row["id"], row["label"]) for row in rows] == [(7, "a", 0), (7, "c", 1)]
    assert abs(rows[0]["probability"] - 0.25) < 1e-12
    assert rows[1]["probability"] == 1.0
