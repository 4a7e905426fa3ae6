"""The patch table, its fingerprint, and several data sets as one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data import ArrayStore, Dataset, join, make_table, open_dataset, read
from core.errors import DataError

Folder = Callable[..., Path]


def _dataset(
    ids: list[str], labels: list[int | None] | None, slides: list[str | None] | None = None, name: str = "set"
) -> Dataset:
    pixels = np.stack([np.full((96, 96, 3), sum(map(ord, patch_id)) % 256, np.uint8) for patch_id in ids])
    table = make_table(ids, labels=labels, split="train", slides=slides)
    return Dataset(name, name, "kaggle", table, ArrayStore(pixels))


def test_the_fingerprint_is_the_same_in_another_order_and_place(kaggle_folder: Folder) -> None:
    first = kaggle_folder({"a": 1, "b": 0, "c": 1}, test=("x",))
    second = kaggle_folder({"c": 1, "a": 1, "b": 0}, test=("x",), name="elsewhere", seed=1)

    assert open_dataset(first).fingerprint() == open_dataset(second).fingerprint()
    assert open_dataset(first).fingerprint() == _dataset(["x", "c", "b", "a"], [None, 1, 0, 1]).fingerprint()


def test_the_fingerprint_changes_with_a_label_an_id_a_slide_or_a_patch() -> None:
    known = _dataset(["a", "b"], [1, 0])
    others = [
        _dataset(["a", "b"], [0, 1]),
        _dataset(["a", "b"], [1, None]),
        _dataset(["a", "c"], [1, 0]),
        _dataset(["a", "b"], [1, 0], ["s", "s"]),
        _dataset(["a", "b"], [1, 0], ["s", "t"]),
        _dataset(["a", "b", "c"], [1, 0, 0]),
    ]

    prints = [dataset.fingerprint() for dataset in (known, *others)]

    assert len(set(prints)) == len(prints)
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in prints)


def test_the_fingerprint_of_a_known_table_never_changes() -> None:
    # SHA-256 of "a,1,\nb,0,s1": bundles carry it, so that another value would disown them.
    assert _dataset(["b", "a"], [0, 1], ["s1", None]).fingerprint() == "75aa8ae0a24209e4"


def test_a_table_and_a_store_of_different_lengths_are_refused() -> None:
    table = make_table(["a"], split="train")

    with pytest.raises(DataError, match="set: 1 rows in the table, 2 patches in the store"):
        Dataset("set", "set", "kaggle", table, ArrayStore(np.zeros((2, 96, 96, 3), np.uint8)))


def test_a_table_of_other_columns_is_refused() -> None:
    table = make_table(["a"], split="train").drop(columns="slide")

    with pytest.raises(DataError, match="A patch table must have the columns"):
        Dataset("set", "set", "kaggle", table, ArrayStore(np.zeros((1, 96, 96, 3), np.uint8)))


def test_joined_data_sets_keep_order_labels_and_pixels() -> None:
    first, second = _dataset(["a", "b"], [1, 0], name="one"), _dataset(["c"], [None], name="two")

    joined = join([first, second])

    assert (joined.name, joined.kind, joined.is_synthetic) == ("one + two", "joined", False)
    assert list(joined.table["id"]) == ["a", "b", "c"]
    assert joined.labels([1, 0]).tolist() == [0, 1]
    assert read(joined.store, [2, 0])[:, 0, 0, 0].tolist() == [ord("c"), ord("a")]


def test_one_data_set_stays_itself() -> None:
    dataset = _dataset(["a"], [1])

    assert join([dataset]) is dataset


def test_an_id_in_two_data_sets_is_refused() -> None:
    with pytest.raises(DataError, match="1 ids stand in more than one of the data sets, such as b"):
        join([_dataset(["a", "b"], [1, 0]), _dataset(["b", "c"], [1, 0])])


def test_nothing_to_join_is_refused() -> None:
    with pytest.raises(DataError, match="No data set was given"):
        join([])
