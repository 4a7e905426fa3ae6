from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data import add_exclusions, make_pack, open_dataset, read_exclusions, remove_exclusions
from core.data.exclusions import exclusions_path
from core.errors import DataError
from core.training.material import gather


def test_what_is_excluded_is_left_out_of_everything_and_comes_back(
    kaggle_folder: Callable[..., Path], fresh_home: Path
) -> None:
    folder = kaggle_folder({f"p{number}": number % 2 for number in range(150)})
    source, before = str(folder), open_dataset(folder)
    add_exclusions(source, ["p1", "p4"], "blurred")
    add_exclusions(source, ["p1", "gone"], "wrong label")
    less = open_dataset(folder)
    assert read_exclusions(exclusions_path(source)) == {"p1": "wrong label", "p4": "blurred", "gone": "wrong label"}
    assert set(before.table["id"]) - set(less.table["id"]) == {"p1", "p4"}
    assert [str(problem) for problem in less.problems] == ["p1: excluded: wrong label", "p4: excluded: blurred"]
    assert less.fingerprint() != before.fingerprint()
    row = int(np.flatnonzero(less.table["id"] == "p5")[0])
    expected = before.store.load(np.flatnonzero(before.table["id"] == "p5")).pixels
    np.testing.assert_array_equal(less.store.load([row]).pixels, expected)
    make_pack(open_dataset(folder, raw=True))
    np.testing.assert_array_equal(open_dataset(folder).store.load([row]).pixels, expected)
    material = gather([open_dataset(folder)])
    assert {"p1", "p4"}.isdisjoint({*material.train.ids, *material.valid.ids})
    remove_exclusions(source, ["p1", "p4"])
    assert open_dataset(folder).fingerprint() == before.fingerprint()


def test_a_list_of_something_else_is_said(kaggle_folder: Callable[..., Path], fresh_home: Path) -> None:
    folder = kaggle_folder({"a": 1, "b": 0})
    path = exclusions_path(str(folder))
    path.parent.mkdir(parents=True)
    path.write_text("name\na\n")
    with pytest.raises(DataError, match="needs a column id; found name"):
        open_dataset(folder)
    path.write_text("\ufeffid\r\na\r\nb\r\n", encoding="utf-8")
    with pytest.raises(DataError, match="All 2 patches of kaggle are excluded"):
        open_dataset(folder)
