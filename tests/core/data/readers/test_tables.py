"""Tables that name files: CSV and Parquet, as people write them, and where their files lie."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.data import open_dataset, read
from core.data.choices import Choices, remember
from core.errors import ChoiceError, DataError


def _images(folder: Path, *names: str) -> Path:
    """Write images whose grey is their number, from 1 on."""
    for number, name in enumerate(names, 1):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((96, 96, 3), number, np.uint8)).save(path)
    return folder


TABLES: dict[str, str] = {
    "relative": "path,label\nimg/a.png,tumor\nimg/b.png,normal\n",
    "0 and 1": "file,label\nimg/a.png,1\nimg/b.png,0\n",
    "floats": "file,label\nimg/a.png,1.0\nimg/b.png,0.0\n",
    "True and False": "image,tumor\nimg/a.png,True\nimg/b.png,False\n",
    "byte-order mark and semicolons": "\ufeffImage Path;Class\nimg/a.png;Tumour\nimg/b.png;Benign\n",
    "backslashes": "path,label\nimg\\a.png,1\nimg\\b.png,0\n",
    "names only": "filename,label\na.png,1\nb.png,0\n",
    "without suffix": "image_id,label\na,1\nb,0\n",
    "another computer": "path,label\n/home/x/data/img/a.png,1\n/home/x/data/img/b.png,0\n",
    "Windows": "path,label\nC:\\data\\img\\a.png,1\nC:\\data\\img\\b.png,0\n",
    "index column": ",path,label\n0,img/a.png,1\n1,img/b.png,0\n",
}


@pytest.mark.parametrize("case", TABLES)
@pytest.mark.parametrize("given", ["", "list.csv"])
def test_tables_as_people_write_them(tmp_path: Path, case: str, given: str) -> None:
    folder = _images(tmp_path / "set", "img/a.png", "img/b.png")
    (folder / "list.csv").write_text(TABLES[case], "utf-8")

    dataset = open_dataset(folder / given)

    assert dataset.kind == "table of files"
    assert dataset.table["id"].to_list() == ["a", "b"]
    assert dataset.labels([0, 1]).tolist() == [1, 0]
    assert read(dataset.store, [0, 1])[:, 0, 0, 0].tolist() == [1, 2]
    assert dataset.problems == ()


def test_groups_and_splits_from_columns_and_absolute_paths(tmp_path: Path) -> None:
    images = _images(tmp_path / "elsewhere", "a.png", "b.png", "c.png")
    (tmp_path / "set").mkdir()
    rows = [
        {"path": images / "a.png", "label": "malignant", "split": "Training", "wsi": "s1", "case": 7, "hospital": "A"},
        {"path": images / "b.png", "label": "benign", "split": "val", "wsi": "s2", "case": 8, "hospital": "B"},
        {"path": images / "c.png", "label": None, "split": "test", "wsi": "s3", "case": 9, "hospital": "B"},
    ]
    for suffix in ("csv", "parquet"):
        table = pd.DataFrame(rows).astype({"path": str})
        path = tmp_path / "set" / f"list.{suffix}"
        table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
        found = open_dataset(path).table

        assert found["label"].fillna(-1).to_list() == [1, 0, -1], suffix
        assert found["split"].astype(str).to_list() == ["train", "valid", "test"]
        assert found["slide"].to_list() == ["s1", "s2", "s3"]
        assert found["patient"].to_list() == ["7", "8", "9"]
        assert found["centre"].to_list() == ["A", "B", "B"]


def test_a_change_of_files_elsewhere_is_noticed(tmp_path: Path, fresh_home: Path) -> None:
    images = _images(tmp_path / "elsewhere", "a.png", "b.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "list.csv").write_text(f"path,label\n{images / 'a.png'},1\n{images / 'b.png'},0\n")
    before = open_dataset(tmp_path / "set")
    (images / "b.png").unlink()
    after = open_dataset(tmp_path / "set")

    assert (len(before), len(after)) == (2, 1)
    assert before.files != after.files
    assert before.quick_stamp != after.quick_stamp


def test_several_tables_are_the_splits_of_one_data_set(tmp_path: Path) -> None:
    folder = _images(tmp_path, "a.png", "b.png", "c.png")
    for name, text in (("train.csv", "a.png,1"), ("val_labels.csv", "b.png,0"), ("test.csv", "c.png,1")):
        (folder / name).write_text(f"path,label\n{text}\n")

    table = open_dataset(folder).table.set_index("id")

    assert table["split"].astype(str).to_dict() == {"a": "train", "b": "valid", "c": "test"}
    assert open_dataset(folder / "train.csv").table["id"].to_list() == ["a"]


@pytest.mark.parametrize(
    ("text", "used", "words"),
    [
        ("path,label\na.png,1\ngone.png,0\n", ["a"], r"1 without a file \(gone.png: is named in the table, but"),
        ("path,label\na.png,1\na.png,1\nb.png,0\n", ["a", "b"], ""),
        ("path,label\na.png,1\na.png,0\nb.png,0\n", ["b"], r"with two labels \(a: it is named with different labels"),
        ("path,label\na.png,1\nb.png,\n", ["a", "b"], ""),
    ],
)
def test_what_cannot_be_used_is_counted(tmp_path: Path, text: str, used: list[str], words: str) -> None:
    folder = _images(tmp_path, "a.png", "b.png")
    (folder / "list.csv").write_text(text)

    dataset = open_dataset(folder)

    assert dataset.table["id"].to_list() == used
    assert re.search(words, dataset.left_out())


def test_files_in_another_place_are_asked_for(tmp_path: Path, fresh_home: Path) -> None:
    images, folder = _images(tmp_path / "disk" / "pictures", "a.png", "b.png"), tmp_path / "set"
    folder.mkdir()
    (folder / "list.csv").write_text("path,label\n/mnt/old/pictures/a.png,1\n/mnt/old/pictures/b.png,0\n")

    with pytest.raises(ChoiceError, match=r"None of the 2 files .* such as /mnt/old/pictures/a.png. Say .*--root DIR"):
        open_dataset(folder)
    for root in (images.parent, images):
        remember(str(folder), Choices(root=str(root)))
        assert open_dataset(folder).table["id"].to_list() == ["a", "b"]


def test_one_broken_table_leaves_the_others(tmp_path: Path) -> None:
    folder = _images(tmp_path, "a.png", "b.png")
    (folder / "train.csv").write_text("path,label\na.png,1\nb.png,0\n")
    (folder / "valid.parquet").write_bytes(b"PAR1 is all that is here")

    dataset = open_dataset(folder)

    assert len(dataset) == 2
    assert (
        "of a table that cannot be read (valid.parquet: valid.parquet is no readable Parquet file" in dataset.left_out()
    )


def test_a_table_without_files_or_columns_says_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("colour,label\nred,1\n")

    with pytest.raises(DataError, match=r"list.csv is a file that holds no patches. Give a table of patches"):
        open_dataset(tmp_path / "list.csv")
