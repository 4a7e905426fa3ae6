"""What people's folders look like: each flaw is told in a sentence, and what can be used is used."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.data import Problem, open_dataset, read
from core.data.download import SOURCES
from core.data.readers.kaggle import _without_repeats
from core.errors import DataError

Folder = Callable[..., Path]


def _opened(folder: Path, labels: str) -> tuple[list[str], dict[str, str]]:
    """Return the ids that were opened and, by name, what was excluded and why."""
    (folder / "train_labels.csv").write_text(labels)
    dataset = open_dataset(folder)
    return list(dataset.table["id"]), {problem.name: problem.reason for problem in dataset.problems}


@pytest.mark.parametrize(
    ("labels", "line", "found"),
    [
        ("id,label\na,1\nb,2\n", 3, "2"),
        ("id,label\na,1,\nb,2,\n", 3, "2"),
        ("id,label\na,1\n\nb\n", 4, ""),
        ("id,label\na,1\nb,tumour\n", 3, "tumour"),
        ("id,label\na,1\nb,0.5\n", 3, "0.5"),
    ],
)
def test_a_label_that_is_not_0_or_1_is_left_out_with_its_line(
    kaggle_folder: Folder, labels: str, line: int, found: str
) -> None:
    ids, left = _opened(kaggle_folder({"a": 1, "b": 0}), labels)

    assert ids == ["a"]
    assert left == {"b": f"excluded: its label must be 0 or 1, got '{found}' in line {line} of train_labels.csv"}


def test_an_id_that_stands_twice_with_one_label_is_used_once(kaggle_folder: Folder) -> None:
    ids, left = _opened(kaggle_folder({"a": 1, "b": 0}), "id,label\na,1\n\nb,0\na,1\n")

    assert ids == ["a", "b"]
    assert left == {"a": "stands in lines 2, 5 of train_labels.csv; it is used once"}


def test_a_table_that_was_pasted_twice_takes_seconds() -> None:
    """25 s for 8,000 ids, and hours for those of Kaggle, when each id was a table of its own and dropped by itself."""
    ids = [f"{number:05}" for number in range(20_000)] * 2
    table, problems = pd.DataFrame({"id": ids, "label": 0, "given": ids}, index=range(2, 40_002)), list[Problem]()
    begin = time.perf_counter()
    assert _without_repeats(table, problems)["id"].to_list() == ids[:20_000]
    assert time.perf_counter() - begin < 20
    assert str(problems[0]) == "00000: stands in lines 2, 20002 of train_labels.csv; it is used once"


def test_an_id_with_two_labels_is_left_out(kaggle_folder: Folder) -> None:
    ids, left = _opened(kaggle_folder({"a": 1, "b": 0}), "id,label\na,1\nb,0\na,0\n")

    assert ids == ["b"]
    assert left == {"a": "excluded: lines 2, 4 of train_labels.csv give different labels"}


@pytest.mark.parametrize(
    ("suffixes", "used", "left"),
    [
        ((".png", ".tif"), ".tif", [".png"]),
        ((".png", ".tiff"), ".tiff", [".png"]),
        ((".png", ".tif", ".tiff"), ".tif", [".png", ".tiff"]),
    ],
)
def test_of_two_files_of_an_id_the_tif_is_used(
    kaggle_folder: Folder, suffixes: tuple[str, ...], used: str, left: list[str]
) -> None:
    folder = kaggle_folder({"a": 1, "b": 0})
    (folder / "train" / "a.tif").unlink()
    for number, suffix in enumerate(suffixes):
        Image.fromarray(np.full((96, 96, 3), 10 * number, np.uint8)).save(folder / "train" / f"a{suffix}")

    dataset = open_dataset(folder)

    assert list(dataset.table["id"]) == ["a", "b"]
    assert read(dataset.store, [0])[0, 0, 0, 0] == 10 * suffixes.index(used)
    assert dataset.problems == tuple(Problem("a", f"train/a{each} is excluded: a{used} is used") for each in left)


def test_an_id_in_train_and_test_is_the_labelled_one(kaggle_folder: Folder) -> None:
    folder = kaggle_folder({"a": 1, "b": 0}, test=("x",))
    shutil.copy(folder / "train" / "b.tif", folder / "test" / "b.tif")

    dataset = open_dataset(folder)

    assert list(dataset.table["id"]) == ["a", "b", "x"]
    assert list(dataset.table["split"].astype(str)) == ["train", "train", "test"]
    assert dataset.problems == (Problem("b", "excluded from test/: train/ holds a labelled patch of this id"),)


def test_an_id_on_two_slides_is_refused(kaggle_folder: Folder) -> None:
    folder = kaggle_folder({"a": 1, "b": 0})
    (folder / "patch_id_wsi_full.csv").write_text("id,wsi\na,s1\nb,s1\na,s2\nb,s1\n")

    with pytest.raises(DataError, match=r"patch_id_wsi_full.csv: 1 ids lie on more than one slide, such as a\. Keep"):
        open_dataset(folder)


def test_a_folder_without_its_labels_is_one_of_unlabelled_images(kaggle_folder: Folder) -> None:
    folder = kaggle_folder({"a": 1}, test=("b",))
    (folder / "train_labels.csv").unlink()

    dataset = open_dataset(folder)

    assert dataset.kind == "images without labels"
    assert dict(zip(dataset.table["id"], dataset.table["split"].astype(str), strict=True)) == {
        "a": "train",
        "b": "test",
    }
    assert dataset.class_counts() == (0, 0)
    assert dataset.problems[0].name == "labels"


@pytest.mark.parametrize("name", ["", "train", "train_labels.csv"])
def test_what_may_not_be_read_is_named(kaggle_folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = kaggle_folder({"a": 1})
    locked = str(folder / name) if name else str(folder)

    def locking(real: Callable[..., object]) -> Callable[..., object]:
        def checked(path: object, *rest: object, **more: object) -> object:
            if os.path.abspath(str(path)) == locked:
                raise PermissionError(13, "Permission denied")
            return real(path, *rest, **more)

        return checked

    for function in ("scandir", "listdir"):
        monkeypatch.setattr(os, function, locking(getattr(os, function)))
    monkeypatch.setattr(Path, "open", locking(Path.open))

    with pytest.raises(DataError, match=f"{locked} cannot be read: Permission denied. Check its permissions"):
        open_dataset(folder)


def _write_pcam(folder: Path, split: str, *, labels: int) -> None:
    for key, value in (
        ("x", np.zeros((3, 96, 96, 3), np.uint8)),
        ("y", (np.arange(labels) % 2).astype(np.uint8).reshape(-1, 1, 1, 1)),
    ):
        with h5py.File(folder / f"camelyonpatch_level_2_split_{split}_{key}.h5", "w") as file:
            file[key] = value


@pytest.mark.parametrize("broken", ["train", "valid", "test"])
def test_a_pcam_part_of_mismatched_lengths_is_left_out(tmp_path: Path, broken: str) -> None:
    for split in ("train", "valid", "test"):
        _write_pcam(tmp_path, split, labels=2 if split == broken else 3)

    dataset = open_dataset(tmp_path)

    assert len(dataset) == 6
    assert broken not in set(dataset.table["split"].astype(str))
    name = f"camelyonpatch_level_2_split_{broken}"
    reason = f"excluded: {name}_y.h5 has 2 labels for 3 patches; download both files again."
    assert dataset.problems == (Problem(f"{name}_x.h5", reason),)


def test_pcams_slides_come_from_its_meta_files(tmp_path: Path) -> None:
    for split, wsi in (("train", "abc"), ("valid", "dde"), ("test", "ffg")):
        _write_pcam(tmp_path, split, labels=3)
        lines = [f"{row},0,0,False,True,{slide}" for row, slide in enumerate(wsi)]
        text = "\n".join([",coord_y,coord_x,tumor_patch,center_tumor_patch,wsi", *lines])
        (tmp_path / f"camelyonpatch_level_2_split_{split}_meta.csv").write_text(text)

    dataset = open_dataset(tmp_path)

    assert "".join(dataset.table["slide"]) == "abcddeffg"
    assert dataset.knows_slides
    assert dataset.problems == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [("wsi\na\nb\n", "excluded: it names 2 slides for 3 patches"), ("slide\na\nb\nc\n", "slides are not known")],
)
def test_meta_files_that_do_not_fit_leave_slides_unknown(tmp_path: Path, text: str, reason: str) -> None:
    _write_pcam(tmp_path, "train", labels=3)
    (tmp_path / "camelyonpatch_level_2_split_train_meta.csv").write_text(text)

    dataset = open_dataset(tmp_path)

    assert not dataset.knows_slides
    assert reason in dataset.problems[0].reason
    assert dataset.problems[0].name == "camelyonpatch_level_2_split_train_meta.csv"


def test_a_pcam_folder_without_a_usable_part_is_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        _write_pcam(tmp_path, split, labels=2)

    with pytest.raises(DataError, match="has 2 labels for 3 patches; download both files again"):
        open_dataset(tmp_path)


def test_what_to_do_by_hand_ends_in_the_sidebar() -> None:
    for source in SOURCES.values():
        assert "https://" in source.by_hand
        assert source.by_hand.endswith("under 'Data set' in the sidebar.")
