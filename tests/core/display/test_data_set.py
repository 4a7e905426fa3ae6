"""What is exported opens again elsewhere, pixel by pixel, and its card says what it is."""

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.commands import main
from core.data import ArrayStore, Dataset, assign, choose_rule, open_dataset
from core.display.data_set import LAYOUTS, export_data_set
from core.errors import DataError, StorageError

Rows = np.ndarray


@pytest.fixture
def dataset(small_demo: Dataset) -> Dataset:
    """The demo with a centre for each patch, and two patches without a label."""
    table = small_demo.table.copy()
    table["centre"] = (np.arange(len(table)) % 2).astype(str)
    table.loc[[0, 1], "label"] = None
    return replace(small_demo, table=table)


def test_class_folders_keep_pixels_labels_and_groups(dataset: Dataset, tmp_path: Path) -> None:
    rule = choose_rule(dataset)
    splits = assign(dataset, rule)
    rows = np.flatnonzero(splits != "")
    found = export_data_set(dataset, rows, tmp_path / "out", splits=splits, division=rule.describe())
    row = int(rows[5])
    label = ("normal", "tumour")[int(dataset.table["label"][row])]
    path = tmp_path / "out" / splits[row] / label / f"{dataset.table['id'][row]}.png"
    np.testing.assert_array_equal(np.asarray(Image.open(path)), dataset.store.load([row]).pixels[0])
    assert len(list((tmp_path / "out").glob("*/*/*.png"))) == len(rows) == len(found.table)
    lines = (tmp_path / "out" / "patches.csv").read_text().splitlines()
    assert lines[0] == "path,label,split,slide,centre"
    assert len(lines) == len(rows) + 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]  # nothing of the work is left


def test_kaggles_layout_opens_again_as_it_was(dataset: Dataset, tmp_path: Path, fresh_home: Path) -> None:
    export_data_set(dataset, np.arange(len(dataset)), tmp_path / "out", layout="kaggle")
    again = open_dataset(tmp_path / "out")
    before = dataset.table.set_index("id").loc[again.table["id"]]
    assert again.table["label"].fillna(-1).to_list() == before["label"].fillna(-1).to_list()
    labelled = again.table["label"].notna().to_numpy()
    assert again.table["slide"][labelled].to_list() == before["slide"][labelled].to_list()
    row = int(np.flatnonzero(dataset.table["id"] == again.table["id"][3])[0])
    np.testing.assert_array_equal(again.store.load([3]).pixels, dataset.store.load([row]).pixels)


def test_parquet_holds_pictures_labels_and_groups_by_split(dataset: Dataset, tmp_path: Path) -> None:
    splits = assign(dataset, choose_rule(dataset))
    export_data_set(dataset, np.flatnonzero(splits != ""), tmp_path / "out", layout="parquet", splits=splits)
    files = sorted(path.name for path in (tmp_path / "out" / "data").iterdir())
    assert files == [f"{name}-00000-of-00001.parquet" for name in ("test", "train", "valid")]
    table = pq.read_table(tmp_path / "out" / "data" / files[0])
    assert b'"_type": "Image"' in table.schema.metadata[b"huggingface"]
    first = table.to_pylist()[0]
    row = int(np.flatnonzero(dataset.table["id"] == first["id"])[0])
    assert (first["label"], first["slide"]) == (dataset.table["label"][row], dataset.table["slide"][row])
    assert first["patient"] is None
    pixels = np.asarray(Image.open(io.BytesIO(first["image"]["bytes"])))
    np.testing.assert_array_equal(pixels, dataset.store.load([row]).pixels[0])


def test_the_card_says_source_counts_groups_and_hash(dataset: Dataset, tmp_path: Path) -> None:
    rows = np.array([0, 5, 6])
    found = export_data_set(dataset, rows, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    pixels, labels = dataset.store.load(rows).pixels, dataset.table["label"][rows]
    lines = sorted(
        f"{name},{'' if label is None else label},,{hashlib.sha256(patch.tobytes()).hexdigest()}"
        for name, label, patch in zip(
            dataset.table["id"][rows], labels.astype(object).where(labels.notna(), None), pixels, strict=True
        )
    )
    assert found.sha256 == hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert found.sha256 in card
    assert dataset.fingerprint() in card
    assert "| split | patches | normal | tumour | unlabelled | slides | centres |" in card
    counts = [int((labels == number).sum()) for number in (0, 1)]
    assert re.search(rf"\| all \| 3 \| {counts[0]} \| {counts[1]} \| 1 \| \d \| 2 \|", card)
    assert "not for diagnosis" in card


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_unreadable_patches_are_left_out_and_counted(
    layout: str, kaggle_folder: Callable[..., Path], tmp_path: Path, fresh_home: Path
) -> None:
    folder = kaggle_folder({"a": 0, "b": 1, "c": 1})
    (folder / "train" / "b.tif").write_bytes(b"no picture")
    assert main(["export", "--data", str(folder), "--out", str(tmp_path / "out"), "--layout", layout]) == 1
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| all | 2 | 1 | 1 | 0 |" in card
    assert "Left out: 1 patches that cannot be read" in card


def test_a_subset_and_a_list_of_ids_are_exported(
    kaggle_folder: Callable[..., Path], tmp_path: Path, fresh_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = kaggle_folder({f"p{number}": number % 2 for number in range(60)}, test=("x",))
    out = tmp_path / "out"
    assert main(["export", "--data", str(folder), "--out", str(out), "--subset", "test", "--layout", "kaggle"]) == 0
    dataset = open_dataset(folder)
    tested = set(dataset.table["id"][assign(dataset, choose_rule(dataset)) == "test"])
    assert {path.stem for path in (out / "train").iterdir()} == tested
    ids = tmp_path / "ids.csv"
    ids.write_text("id,why\np3,blurred\nx,\n")
    assert main(["export", "--data", str(folder), "--out", str(tmp_path / "two"), "--ids", str(ids)]) == 0
    assert sorted(str(path.relative_to(tmp_path / "two")) for path in (tmp_path / "two").rglob("*.png")) == [
        "tumour/p3.png",
        "unlabelled/x.png",
    ]
    ids.write_text("id\np3\nq\n")
    assert main(["export", "--data", str(folder), "--out", str(tmp_path / "three"), "--ids", str(ids)]) == 2
    assert "1 ids of" in capsys.readouterr().err
    assert not (tmp_path / "three").exists()


def test_what_is_there_is_not_overwritten_and_a_stop_leaves_nothing(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(StorageError, match="is there already and is not empty"):
        export_data_set(dataset, np.arange(3), tmp_path / "out")

    def stop(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_data_set(dataset, np.arange(3), tmp_path / "new", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_ids_that_would_be_one_file_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    table = dataset.table.copy()
    table.loc[[2, 3], "id"] = ["a/b", "a_b"]
    twice = replace(dataset, table=table, store=ArrayStore(dataset.store.load(np.arange(len(dataset))).pixels))
    with pytest.raises(DataError, match="Two ids would be one file: a_b"):
        export_data_set(twice, np.arange(5), tmp_path / "out")
    with pytest.raises(DataError, match="There is no patch to export"):
        export_data_set(dataset, np.empty(0, np.int64), tmp_path / "out")
