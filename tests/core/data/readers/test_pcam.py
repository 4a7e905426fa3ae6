"""PCam's HDF5 files, whole and damaged."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from core.data import Problem, choose_rule, open_dataset, read
from core.errors import DataError


def _write(folder: Path, split: str, *, count: int = 3, x: Any = None, y: Any = None) -> np.ndarray:
    random = np.random.default_rng(len(split))
    pixels = random.integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)
    labels = (np.arange(count) % 2).astype(np.uint8).reshape(-1, 1, 1, 1)
    for key, value in (("x", pixels if x is None else x), ("y", labels if y is None else y)):
        with h5py.File(folder / f"camelyonpatch_level_2_split_{split}_{key}.h5", "w") as file:
            file[key] = value
    return pixels


def test_three_files_become_one_data_set_with_its_official_split(tmp_path: Path) -> None:
    train, valid, test = (
        _write(tmp_path, "train", count=4),
        _write(tmp_path, "valid"),
        _write(tmp_path, "test", count=2),
    )

    dataset = open_dataset(tmp_path)

    assert dataset.kind == "pcam"
    assert dataset.problems == ()
    assert list(dataset.table["id"][[0, 3, 4, 7, 8]]) == [
        "train-000000", "train-000003", "valid-000000", "test-000000", "test-000001",
    ]  # fmt: skip
    assert dataset.labels(range(9)).tolist() == [0, 1, 0, 1, 0, 1, 0, 0, 1]
    assert list(dataset.table["split"].astype(str)) == ["train"] * 4 + ["valid"] * 3 + ["test"] * 2
    assert choose_rule(dataset).kind == "official"
    assert np.array_equal(read(dataset.store, np.arange(9)), np.concatenate([train, valid, test]))


@pytest.mark.parametrize("rows", [[2, 0, 1], [3, 3, 0, 3], [0, 0], [6, 1, 4, 1, 6]])
def test_rows_come_in_the_order_they_are_asked_for(tmp_path: Path, rows: list[int]) -> None:
    everything = np.concatenate([_write(tmp_path, "train", count=4), _write(tmp_path, "valid")])

    assert np.array_equal(read(open_dataset(tmp_path).store, rows), everything[rows])


def test_no_rows_are_no_patches(tmp_path: Path) -> None:
    _write(tmp_path, "train")

    assert read(open_dataset(tmp_path).store, []).shape == (0, 96, 96, 3)


def test_splits_that_are_not_there_are_named(tmp_path: Path) -> None:
    _write(tmp_path, "test")

    dataset = open_dataset(tmp_path)

    assert set(dataset.table["split"].astype(str)) == {"test"}
    assert dataset.problems == (
        Problem("camelyonpatch_level_2_split_train_x.h5", "is not there"),
        Problem("camelyonpatch_level_2_split_valid_x.h5", "is not there"),
    )
    assert choose_rule(dataset).kind == "hashed"


def test_flat_labels_are_read_too(tmp_path: Path) -> None:
    _write(tmp_path, "train", y=np.array([1, 0, 1]))

    assert open_dataset(tmp_path).labels([0, 1, 2]).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"y": np.zeros((2, 1, 1, 1), np.uint8)}, "train_y.h5 has 2 labels for 3 patches"),
        ({"y": np.array([0, 1, 2])}, "train_y.h5 has labels other than 0 and 1"),
        ({"y": np.array([0.0, 0.5, 1.0])}, "train_y.h5 has labels other than 0 and 1"),
        ({"y": np.array([b"0", b"1", b"1"])}, "train_y.h5 has labels other than 0 and 1"),
        ({"x": np.zeros((3, 96, 96, 3), np.float32)}, r"train_x.h5: 'x' must be uint8 N×96×96×3, got float32"),
        (
            {"x": np.zeros((3, 3, 96, 96), np.uint8)},
            r"'x' must be uint8 N×96×96×3, got uint8 \(3, 3, 96, 96\)",
        ),
    ],
)
def test_wrong_contents_are_refused(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    _write(tmp_path, "train", **given)

    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path)


def test_missing_labels_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, "valid")
    (tmp_path / "camelyonpatch_level_2_split_valid_y.h5").unlink()

    with pytest.raises(DataError, match=r"valid_y.h5 is missing; it holds the labels of .*valid_x.h5"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(("key", "what"), [("x", "patches under 'x'"), ("y", "labels under 'y'")])
@pytest.mark.parametrize("damage", ["cut", "text", "other key", "group"])
def test_damaged_files_are_refused(tmp_path: Path, key: str, what: str, damage: str) -> None:
    _write(tmp_path, "train")
    path = tmp_path / f"camelyonpatch_level_2_split_train_{key}.h5"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "text":
        path.write_text("not found")
    else:
        with h5py.File(path, "w") as file:
            file.create_group("other" if damage == "other key" else key)

    words = r"is cut off: 1,000 of \d" if damage == "cut" else f"is no readable HDF5 file with {what}"
    with pytest.raises(DataError, match=f"{path.name} {words}"):
        open_dataset(tmp_path)


def test_a_file_that_vanishes_after_opening_is_reported_for_each_patch(tmp_path: Path) -> None:
    _write(tmp_path, "train")
    dataset = open_dataset(tmp_path)
    (tmp_path / "camelyonpatch_level_2_split_train_x.h5").unlink()

    loaded = dataset.store.load([2, 0])

    assert sorted(loaded.unreadable) == [0, 1]
    assert "camelyonpatch_level_2_split_train_x.h5 is damaged" in loaded.unreadable[0]
    assert (loaded.pixels == 255).all()
