"""What a glance at a packed folder notices, and what it does not."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from core.data import FileStore, find_pack, make_pack, open_dataset, pack_folder, remove_pack
from core.data.pack_table import load_table, save_table
from core.data.quality import load_check, make_check
from core.data.readers import kaggle
from core.data.store import PackedStore
from core.errors import DataError

Folder = Callable[..., Path]


@pytest.fixture
def folder(kaggle_folder: Folder, fresh_home: Path) -> Path:
    """Six patches with slides, one of them unknown, two without labels; one label without a file."""
    made = kaggle_folder({f"p{number}": number % 2 for number in range(4)}, test=("x", "y"))
    slides = ("s1", "s2", "", "s1")
    lines = ["id,label,slide", *(f"p{number},{number % 2},{slide}" for number, slide in enumerate(slides)), "gone,1,s3"]
    (made / "train_labels.csv").write_text("\n".join(lines))
    return made


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were looked at file by file."""
    found: list[Path] = []
    whole = kaggle.read
    monkeypatch.setattr(kaggle, "read", lambda given: found.append(given.path) or whole(given))
    return found


def test_a_packed_folder_opens_by_a_glance_as_it_opens_in_full(folder: Path, looked: list[Path]) -> None:
    raw = open_dataset(folder, raw=True)
    make_pack(raw)
    looked.clear()
    quick = open_dataset(folder)
    assert looked == []
    assert isinstance(quick.store, PackedStore)
    pd.testing.assert_frame_equal(quick.table, raw.table)
    assert quick.table["slide"].to_list() == ["s1", "s2", pd.NA, "s1", pd.NA, pd.NA]
    assert (quick.problems, quick.files, quick.stamp()) == (raw.problems, raw.files, raw.stamp())
    assert [str(problem) for problem in quick.problems] == [
        "gone: in train_labels.csv, but there is no such file in train/"
    ]
    np.testing.assert_array_equal(quick.store.load(range(6)).pixels, raw.store.load(range(6)).pixels)


@pytest.mark.parametrize("change", ["added", "removed", "renamed", "label", "slides", "test"])
def test_a_glance_notices_what_came_went_and_was_relabelled(folder: Path, looked: list[Path], change: str) -> None:
    make_pack(open_dataset(folder, raw=True))
    labels = folder / "train_labels.csv"
    if change == "added":
        (folder / "train" / "new.tif").write_bytes((folder / "train" / "p0.tif").read_bytes())
    elif change == "removed":
        (folder / "train" / "p0.tif").unlink()
    elif change == "renamed":
        (folder / "train" / "p0.tif").rename(folder / "train" / "q0.tif")
    elif change == "test":
        (folder / "test" / "x.tif").unlink()
    elif change == "slides":
        (folder / "patch_id_wsi_full.csv").write_text("id,wsi\np0,w\n")
    else:
        stat = labels.stat()
        labels.write_text(labels.read_text().replace("p0,0", "p0,1"))  # as long as before
        os.utime(labels, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # and as old
    looked.clear()
    changed = open_dataset(folder)
    assert looked == [folder]
    assert isinstance(changed.store, PackedStore if change in ("label", "slides") else FileStore)
    if change == "label":  # the pixels are the same, so that the pack still holds, and its table is kept anew
        assert changed.table["label"].to_list()[:4] == [1, 1, 0, 1]
        looked.clear()
        assert open_dataset(folder).table["label"].to_list()[:4] == [1, 1, 0, 1]
        assert looked == []


def test_copying_tools_that_set_times_back_do_not_hide_a_change(folder: Path, looked: list[Path]) -> None:
    make_pack(open_dataset(folder, raw=True))
    stat = (folder / "train").stat()
    (folder / "train" / "p0.tif").rename(folder / "train" / "q0.tif")
    os.utime(folder / "train", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    looked.clear()
    assert isinstance(open_dataset(folder).store, FileStore)
    assert looked == [folder]


def test_a_file_rewritten_in_place_is_noticed_by_a_full_look_and_from_then_on(folder: Path) -> None:
    make_pack(open_dataset(folder, raw=True))
    make_check(str(folder))
    (folder / "train" / "p1.tif").write_bytes((folder / "train" / "p0.tif").read_bytes())
    os.utime(folder / "train" / "p1.tif", ns=(1, 1))
    assert isinstance(open_dataset(folder).store, PackedStore)
    make_check(str(folder))  # looks at all files
    changed = open_dataset(folder)
    assert isinstance(changed.store, FileStore)
    assert find_pack(changed) is None
    assert load_check(changed) is not None


def test_touching_the_folder_costs_one_full_look_and_no_new_pack(folder: Path, looked: list[Path]) -> None:
    make_pack(open_dataset(folder, raw=True))
    os.utime(folder / "train")
    looked.clear()
    assert isinstance(open_dataset(folder).store, PackedStore)
    assert isinstance(open_dataset(folder).store, PackedStore)
    assert looked == [folder]


def test_labels_that_change_while_it_is_packed_are_not_kept(folder: Path) -> None:
    def change(_share: float) -> None:
        labels = folder / "train_labels.csv"
        labels.write_text(labels.read_text().replace("p0,0", "p0,1"))

    make_pack(open_dataset(folder, raw=True), progress=change)
    assert open_dataset(folder).table["label"].to_list()[:4] == [1, 1, 0, 1]


def test_a_removed_pack_leaves_no_table(folder: Path) -> None:
    make_pack(open_dataset(folder, raw=True))
    assert (pack_folder(str(folder)) / "table.npz").is_file()
    remove_pack(str(folder))
    assert not (pack_folder(str(folder)) / "table.npz").exists()
    assert isinstance(open_dataset(folder).store, FileStore)


def test_a_damaged_table_is_said(folder: Path) -> None:
    make_pack(open_dataset(folder, raw=True))
    path = pack_folder(str(folder)) / "table.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"table\.npz is damaged"):
        open_dataset(folder)


def test_where_nothing_can_be_kept_the_pack_is_used_all_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pack(open_dataset(folder, raw=True))
    os.utime(folder / "train")
    monkeypatch.setattr(
        "core.storage.portable.sync", lambda _path: (_ for _ in ()).throw(PermissionError(13, "denied"))
    )
    opened = open_dataset(folder)
    assert isinstance(opened.store, PackedStore)
    assert opened.problems[-1].name == "pack"
    assert "does not speed up opening. table.npz could not be written" in opened.problems[-1].reason


def test_pcam_is_opened_by_a_glance_too(tmp_path: Path, fresh_home: Path) -> None:
    for letter, array in (("x", np.full((3, 96, 96, 3), 7, np.uint8)), ("y", np.array([1, 0, 1]).reshape(3, 1, 1, 1))):
        with h5py.File(tmp_path / f"camelyonpatch_level_2_split_train_{letter}.h5", "w") as file:
            file[letter] = array
    make_pack(open_dataset(tmp_path, raw=True))
    opened = open_dataset(tmp_path)
    assert isinstance(opened.store, PackedStore)
    assert opened.table["label"].to_list() == [1, 0, 1]
    assert [problem.reason for problem in opened.problems] == ["is not there", "is not there"]
    os.utime(tmp_path / "camelyonpatch_level_2_split_train_x.h5", (1, 1))
    assert not isinstance(open_dataset(tmp_path).store, PackedStore)


def test_a_kept_table_belongs_to_one_look_of_the_folder(folder: Path, tmp_path: Path) -> None:
    dataset = replace(open_dataset(folder, raw=True), quick_stamp="1234")
    save_table(tmp_path, dataset, "a key")
    assert load_table(tmp_path, "1235") is None
    kept = load_table(tmp_path, "1234")
    assert kept is not None
    assert (kept.key, kept.files) == ("a key", dataset.files)
