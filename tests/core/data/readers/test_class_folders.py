"""Class folders, as people name them; and folders of images without labels."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import make_pack, open_dataset, read
from core.data.choices import Choices, remember
from core.errors import ChoiceError, DataError


def _write(folder: Path, *names: str) -> Path:
    """Write images whose grey is their number."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((96, 96, 3), number, np.uint8)).save(path)
    return folder


@pytest.mark.parametrize(
    ("tumour", "normal"),
    [("tumour", "normal"), ("tumor", "normal"), ("1", "0"), ("malignant", "benign"), ("Cancer", "Non-Cancer"),
     ("positive", "negative"), ("True", "False"), ("TUM", "NORM"), ("tumor_", "no tumor")],
)  # fmt: skip
@pytest.mark.parametrize(
    ("pattern", "split"),
    [("{}/x.png", "train"), ("train/{}/x.png", "train"), ("val/{}/x.png", "valid"), ("Test/{}/x.png", "test"),
     ("{}/validation/x.png", "valid")],
)  # fmt: skip
def test_names_that_say_what_they_are(tmp_path: Path, tumour: str, normal: str, pattern: str, split: str) -> None:
    folder = _write(tmp_path / "set", pattern.format(tumour), pattern.format(normal).replace("x.png", "y.png"))
    dataset = open_dataset(folder)

    table = dataset.table.set_index("id")
    assert dataset.kind == "class folders"
    assert table["label"].to_dict() == {"x": 1, "y": 0}
    assert set(table["split"].astype(str)) == {split}
    assert [int(read(dataset.store, [row])[0, 0, 0, 0]) for row in (list(table.index).index("x"),)] == [0]


def test_files_of_one_name_in_several_folders_carry_their_folders(tmp_path: Path) -> None:
    folder = _write(
        tmp_path / "set", "train/tumour/a.png", "train/normal/a.png", "valid/tumour/a.png", "valid/normal/b.png"
    )

    dataset = open_dataset(folder)

    assert dataset.table["id"].to_list() == ["train__normal__a", "train__tumour__a", "b", "valid__tumour__a"]
    assert read(dataset.store, range(4))[:, 0, 0, 0].tolist() == [1, 0, 3, 2]


def test_slides_above_the_classes(tmp_path: Path) -> None:
    folder = _write(tmp_path / "set", "case1/0/a.png", "case1/1/b.png", "case2/0/c.png", "case3/1/d.png")

    dataset = open_dataset(folder)

    assert dict(zip(dataset.table["id"], dataset.table["slide"], strict=True)) == {
        "a": "case1", "b": "case1", "c": "case2", "d": "case3",
    }  # fmt: skip


def test_both_spellings_and_an_empty_class_are_said(tmp_path: Path) -> None:
    folder = _write(tmp_path / "set", "tumor/a.png", "tumour/b.png", "normal/c.png")
    (folder / "benign").mkdir()

    dataset = open_dataset(folder)

    assert dataset.class_counts() == (1, 2)
    assert {str(problem) for problem in dataset.problems} == {
        "tumor and tumour: are all taken as tumour",
        "benign/: is a class without images",
    }
    assert dataset.left_out() == ""


def test_unlabelled_folders_beside_the_classes_have_no_label(tmp_path: Path) -> None:
    dataset = open_dataset(
        _write(tmp_path / "set", "train/1/a.png", "train/0/b.png", "test/c.png", "train/unlabelled/d.png")
    )

    assert dataset.table.set_index("id")["label"].fillna(-1).to_dict() == {"a": 1, "b": 0, "c": -1, "d": -1}


def test_classes_that_say_nothing_are_asked_for_and_remembered(tmp_path: Path, fresh_home: Path) -> None:
    folder = _write(tmp_path / "set", "TUM/a.png", "NORM/b.png", "LYM/c.png", "LYM/d.png", "MUS/e.png")

    with pytest.raises(
        ChoiceError, match=r"classes are LYM \(2\), MUS \(1\), NORM \(1\), TUM \(1\). Say .*--tumour TUM"
    ):
        open_dataset(folder)
    remember(str(folder), Choices(tumour=("TUM",), normal=("NORM", "mus")))
    dataset = open_dataset(folder)

    assert dataset.table.set_index("id")["label"].to_dict() == {"e": 0, "b": 0, "a": 1}
    assert "2 of the class LYM (LYM: it was chosen as neither tumour nor normal)" in dataset.left_out()
    make_pack(open_dataset(folder, raw=True))
    assert open_dataset(folder).choices.tumour == ("TUM",)
    remember(str(folder), Choices(tumour=("LYM",), normal=("NORM",)))
    assert Counter(open_dataset(folder).table["label"]) == {1: 2, 0: 1}


def test_a_chosen_class_that_is_none_of_them_is_refused(tmp_path: Path, fresh_home: Path) -> None:
    folder = _write(tmp_path / "set", "A/a.png", "B/b.png")
    remember(str(folder), Choices(tumour=("C",)))

    with pytest.raises(DataError, match=r"'C' is none of its classes, which are A \(1\), B \(1\)"):
        open_dataset(folder)


def test_the_real_sample_opens_as_it_is_unpacked(tmp_path: Path) -> None:
    names = [
        f"{part}/{name}/{number}.jpg"
        for part in ("train", "valid")
        for name in ("normal", "tumour")
        for number in (1, 2)
    ]
    dataset = open_dataset(_write(tmp_path / "pcam", *names))

    assert len(dataset) == 8
    assert dataset.class_counts() == (4, 4)
    assert Counter(dataset.table["split"].astype(str)) == {"train": 4, "valid": 4}


def test_many_folders_of_other_names_are_slides_without_labels(tmp_path: Path) -> None:
    dataset = open_dataset(_write(tmp_path / "set", *(f"slide{number}/tile.png" for number in range(25))))

    assert dataset.kind == "images without labels"
    assert dataset.table["slide"].nunique() == 25
    assert dataset.table["label"].isna().all()
