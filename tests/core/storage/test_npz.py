"""Arrays in a file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import DataError
from core.storage.npz import checked, save_arrays, stored_arrays


def test_arrays_and_what_is_told_of_them_come_back(tmp_path: Path) -> None:
    save_arrays(tmp_path / "new" / "a.npz", {"version": 3, "ids": ["a", "ü"]}, values=np.arange(4, dtype=np.float32))
    with stored_arrays(tmp_path / "new" / "a.npz", remedy="Delete it.") as stored:
        assert stored is not None
        about, file = stored
        assert about == {"version": 3, "ids": ["a", "ü"]}
        assert file["values"].dtype == np.float32
        assert file["values"].tolist() == [0, 1, 2, 3]


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    with stored_arrays(tmp_path / "a.npz", remedy="Delete it.") as stored:
        assert stored is None


@pytest.mark.parametrize("length", [0, 10, 200])
def test_a_cut_file_is_refused_with_the_remedy(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.npz"
    save_arrays(path, {}, values=np.arange(100))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"a.npz is damaged .* Delete it."), stored_arrays(path, remedy="Delete it."):
        pass


def test_an_array_that_is_not_in_it_is_damage_too(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_arrays(path, {}, values=np.arange(3))

    def look() -> None:
        with stored_arrays(path, remedy="Delete it.") as stored:
            assert stored is not None
            stored[1]["others"]

    with pytest.raises(DataError, match=r"others is not a file in the archive.* Delete it"):
        look()


@pytest.mark.parametrize(
    ("array", "kind", "shape"),
    [
        (np.zeros((2, 3), np.float32), "f", (2, None)),
        (np.zeros(2, np.uint64), "iu", (2,)),
        (np.ones(1, bool), "b", (1,)),
    ],
)  # fmt: skip
def test_an_array_of_the_right_kind_and_shape_is_given_back(array: np.ndarray, kind: Any, shape: Any) -> None:
    assert checked(array, kind, *shape) is array


@pytest.mark.parametrize(
    "array",
    [np.zeros(3), np.zeros((2, 2)), np.array(["a", "b"]), np.zeros(2, complex), np.zeros(2, int), np.zeros(2, bool),
     np.array([0, np.nan]), np.array([0, np.inf]), np.array([0, -1e9]), np.array(0.0)],
)  # fmt: skip
def test_an_array_of_another_kind_or_shape_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must hold real numbers that are finite, 2 of them"):
        checked(array, "f", 2)
