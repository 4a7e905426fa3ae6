"""What people give as a data set: folders, files, nothing."""

import os
from pathlib import Path

import pytest

from core.data import open_dataset
from core.errors import DataError


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no folder .*nowhere. Check the path"):
        open_dataset(tmp_path / "nowhere")


def test_a_file_that_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")

    with pytest.raises(DataError, match=r"notes.txt is a file that holds no patches. Give a table of patches, or"):
        open_dataset(tmp_path / "notes.txt")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is empty. What can be opened is, for example: tumour/a.png and normal/b.png"):
        open_dataset(tmp_path)


def test_a_folder_of_something_else_is_described(tmp_path: Path) -> None:
    for name in ("d", "a", "c", "b", "e"):
        (tmp_path / name).touch()

    with pytest.raises(DataError, match="holds a, b, c and 2 more and no data set that could be opened"):
        open_dataset(tmp_path)


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may read every folder")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0)
    try:
        with pytest.raises(DataError, match=r"cannot be read: Permission denied. Check its permissions"):
            open_dataset(locked)
    finally:
        locked.chmod(0o700)


def test_the_home_of_a_user_who_is_not_there() -> None:
    with pytest.raises(DataError, match="There is no folder ~nobody-of-this-name/data"):
        open_dataset("~nobody-of-this-name/data")


def test_the_home_folder_may_be_written_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(DataError, match=f"There is no folder {tmp_path}/patches"):
        open_dataset("~/patches")
