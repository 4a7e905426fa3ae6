"""Kaggle's folder, as it comes and as it comes damaged."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import Problem, open_dataset, read
from core.data.readers.kaggle import KNOWN_BAD
from core.errors import DataError

Folder = Callable[..., Path]


def _labels(folder: Path, text: str | bytes) -> Path:
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "train_labels.csv").write_bytes(data)
    return folder


def test_labels_pixels_and_parts_belong_together(kaggle_folder: Folder) -> None:
    folder = kaggle_folder({"b": 1, "a": 0, "c": 1}, test=("y", "x"))

    dataset = open_dataset(folder)

    assert (dataset.kind, dataset.name, dataset.source) == ("kaggle", "kaggle", str(folder))
    assert list(dataset.table["id"]) == ["b", "a", "c", "x", "y"]
    assert dataset.table["label"].to_numpy(dtype=float, na_value=9).tolist() == [1, 0, 1, 9, 9]
    assert list(dataset.table["split"].astype(str)) == ["train"] * 3 + ["test"] * 2
    assert dataset.table["slide"].isna().all()
    assert dataset.problems == ()
    for row, part, patch_id in ((0, "train", "b"), (1, "train", "a"), (4, "test", "y")):
        expected = np.asarray(Image.open(folder / part / f"{patch_id}.tif"))
        assert np.array_equal(read(dataset.store, [row])[0], expected)


def test_labels_of_unlabelled_patches_are_refused(kaggle_folder: Folder) -> None:
    dataset = open_dataset(kaggle_folder({"a": 1}, test=("x", "y")))

    assert dataset.labels([0]).tolist() == [1]
    with pytest.raises(DataError, match="2 of 3 patches of kaggle have no label"):
        dataset.labels([0, 1, 2])


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffid,label\r\na,1\r\nb,0\r\n",
        "id,label\r\na,1\r\nb,0",
        " id , label \n a , 1\nb,0 \n",
        'id,label\n"a","1"\n\n\nb,0\n\n',
        "label,id\n1,a\n0,b\n",
        "id,label,comment\na,1,fine\nb,0,\n",
        "id,label\na,1,\nb,0,\n",
    ],
    ids=["bom and crlf", "crlf", "blanks", "quotes and empty lines", "other order", "more columns", "trailing comma"],
)
def test_ways_to_write_the_same_labels(kaggle_folder: Folder, text: str) -> None:
    dataset = open_dataset(_labels(kaggle_folder({"a": 1, "b": 0}), text))

    assert list(dataset.table["id"]) == ["a", "b"]
    assert dataset.labels([0, 1]).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,tumour\na,1\n", r"needs the columns id, label, got id, tumour"),
        ("id;tumour\na;1\n", r"needs the columns id, label, got id, tumour \(between semicolons\)"),
        ("", r"needs the columns id, label, got an empty file"),
        ("id,label\n\n\na,2\nb,tumour\n", r"labels must be 0 or 1, got '2' for a in line 4. Write 1 for tumour"),
        ("id,label\na,1\nb,0,7\n", r"line 3 has 3 values for 2 columns"),
        ('id,label\na,"1\n', r"is no readable CSV file"),
        (b"id,label\n\x81,1\n", r"is no readable CSV file"),
    ],
)
def test_damaged_labels_are_refused_with_the_line(kaggle_folder: Folder, text: str | bytes, message: str) -> None:
    folder = _labels(kaggle_folder({"a": 1, "b": 0}), text)

    with pytest.raises(DataError, match=f"train_labels.csv.*{message}"):
        open_dataset(folder)


def test_what_does_not_match_is_left_out_and_named(kaggle_folder: Folder) -> None:
    folder = kaggle_folder({"a": 1, "b": 0, "extra": 1})
    _labels(folder, "id,label\nb,0\nmissing,1\na,1\n")

    dataset = open_dataset(folder)

    assert list(dataset.table["id"]) == ["b", "a"]
    assert dataset.labels([0, 1]).tolist() == [0, 1]
    assert dataset.problems == (
        Problem("missing", "in train_labels.csv, but there is no such file in train/"),
        Problem("extra", "in train/, but not in train_labels.csv"),
    )


def test_the_known_bad_patches_are_left_out_and_named(kaggle_folder: Folder) -> None:
    broken, black = KNOWN_BAD
    assert (broken, black) == ("dd6dfed324f9fcb6f93f46f32fc800f2ec196be2", "9369c7278ec8bcc6c880d99194de09fc2bd4efbe")

    dataset = open_dataset(kaggle_folder({broken: 0, "a": 1, black: 0}))

    assert list(dataset.table["id"]) == ["a"]
    assert {problem.name: problem.reason for problem in dataset.problems} == {
        broken: "excluded: known to be broken (overexposed)",
        black: "excluded: known to be black",
    }


def test_hidden_and_other_files_are_no_patches(kaggle_folder: Folder) -> None:
    folder = kaggle_folder({"a": 1})
    for name in (".b.tif", "notes.txt", "Thumbs.db"):
        (folder / "train" / name).write_text("x")

    dataset = open_dataset(folder)

    assert list(dataset.table["id"]) == ["a"]
    assert dataset.problems == ()


@pytest.mark.parametrize("column", ["slide", "wsi"])
def test_slides_from_a_column_of_the_labels(kaggle_folder: Folder, column: str) -> None:
    folder = _labels(kaggle_folder({"a": 1, "b": 0}), f"id,label,{column}\na,1,s7\nb,0,s8\n")

    dataset = open_dataset(folder)

    assert dataset.knows_slides
    slides = dataset.units([1, 0])
    assert slides is not None
    assert slides.tolist() == ["s8", "s7"]


def test_slides_from_the_widely_used_table(kaggle_folder: Folder) -> None:
    folder = kaggle_folder({"a": 1, "b": 0}, test=("x",))
    (folder / "patch_id_wsi_full.csv").write_text("id,wsi\nz,w0\nb,w2\na,w1\n")

    dataset = open_dataset(folder)

    assert list(dataset.table["slide"][:2]) == ["w1", "w2"]
    assert dataset.knows_slides  # the unlabelled patch counts for nothing


def test_slides_count_as_known_only_when_every_labelled_patch_has_one(kaggle_folder: Folder) -> None:
    folder = kaggle_folder({"a": 1, "b": 0})
    (folder / "patch_id_wsi_full.csv").write_text("id,wsi\na,w1\n")

    dataset = open_dataset(folder)

    assert list(dataset.table["slide"].isna()) == [False, True]
    assert not dataset.knows_slides
    assert dataset.units([0]) is None


def test_a_slide_table_without_its_columns_is_refused(kaggle_folder: Folder) -> None:
    folder = kaggle_folder({"a": 1})
    (folder / "patch_id_wsi_full.csv").write_text("patch,slide\na,w1\n")

    with pytest.raises(DataError, match=r"patch_id_wsi_full.csv needs the columns id, wsi, got patch, slide"):
        open_dataset(folder)


def test_a_folder_without_any_of_its_patches_is_refused(kaggle_folder: Folder) -> None:
    folder = _labels(kaggle_folder({"a": 1}), "id,label\nother,1\n")

    with pytest.raises(DataError, match="holds no patch that its labels name"):
        open_dataset(folder)


def test_a_folder_with_test_patches_only_can_be_opened(kaggle_folder: Folder) -> None:
    dataset = open_dataset(_labels(kaggle_folder({}, test=("x",)), "id,label\n"))

    assert list(dataset.table["id"]) == ["x"]
    assert not dataset.knows_slides
