"""Fewer training patches: nested draws that nothing but seed and id decides."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest

from core.data import ArrayStore, Dataset, assign, choose_rule, find_subsample, make_table
from core.errors import DataError

NAMES = [f"patch-{number}" for number in range(400)]


def _dataset(names: list[str]) -> Dataset:
    labels = [int(name.split("-")[1]) % 2 for name in names]
    pixels = np.broadcast_to(np.uint8(0), (len(names), 96, 96, 3))
    return Dataset("many", "many", "kaggle", make_table(names, labels=labels, split="train"), ArrayStore(pixels))


MANY = _dataset(NAMES)
SPLITS = assign(MANY, choose_rule(MANY, "patch"))
TRAIN = int((SPLITS == "train").sum())


def _subsample(dataset: Dataset, splits: np.ndarray, *, patches: int, seed: int) -> np.ndarray:
    found = find_subsample(dataset, splits, patches=patches, seed=seed)
    assert found is not None
    return found.apply(dataset, splits)


def _left(patches: int, *, seed: int = 0) -> set[str]:
    splits = _subsample(MANY, SPLITS, patches=patches, seed=seed)
    return set(np.array(NAMES)[splits == "train"])


def test_those_with_the_smallest_hash_of_seed_and_id_stay() -> None:
    train = np.array(NAMES)[SPLITS == "train"]
    by_hand = sorted(train, key=lambda name: hashlib.sha256(f"3:thin:{name}".encode()).digest())

    assert _left(50, seed=3) == set(by_hand[:50])


def test_fewer_are_among_more_and_validation_and_test_stay() -> None:
    sizes = (2, 50, 51, 200, TRAIN)
    drawn = [_left(size) for size in sizes]

    assert [len(each) for each in drawn] == list(sizes)
    assert all(few < more for few, more in pairwise(drawn))
    splits = _subsample(MANY, SPLITS, patches=50, seed=0)
    assert (splits == SPLITS)[SPLITS != "train"].all()
    assert (splits == "").sum() == TRAIN - 50


def test_another_seed_draws_others_and_another_order_draws_the_same() -> None:
    assert len(_left(100) & _left(100, seed=1)) < 60  # 35 are expected of 100 out of 285
    turned = _dataset(NAMES[::-1])
    splits = _subsample(turned, SPLITS[::-1], patches=100, seed=0)
    assert set(np.array(NAMES[::-1])[splits == "train"]) == _left(100)


def test_the_draw_knows_nothing_of_the_hash_that_divides() -> None:
    """Patches whose dividing hash is small would stay if both were one."""
    dividing = {name: hashlib.sha256(f"0:{name}".encode()).digest() for name in NAMES}
    ordered = sorted(np.array(NAMES)[SPLITS == "train"], key=dividing.__getitem__)
    first_half = set(ordered[: TRAIN // 2])

    assert 0.35 < len(_left(100) & first_half) / 100 < 0.65


def test_zero_is_all_and_more_than_there_are_is_said_with_their_number() -> None:
    assert find_subsample(MANY, SPLITS, patches=0, seed=0) is None
    with pytest.raises(DataError, match=rf"many has {TRAIN} labelled training patches .* {TRAIN + 1} were requested"):
        find_subsample(MANY, SPLITS, patches=TRAIN + 1, seed=0)
