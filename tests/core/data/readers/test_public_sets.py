"""Public data sets as they are downloaded, in small: WILDS, IDC, NCT-CRC, MHIST, Hugging Face's files, arrays."""

import io
import json
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.data import open_dataset, read
from core.data.choices import Choices, remember
from core.data.labels import labels_csv
from core.data.layouts import place_of
from core.errors import ChoiceError, DataError


def _image(path: Path, grey: int = 90, size: int = 96) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size, size, 3), grey, np.uint8)).save(path)


def _png(grey: int, size: int = 96) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), grey, np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_wilds_has_hospitals_slides_and_patients(tmp_path: Path) -> None:
    lines = [",patient,node,x_coord,y_coord,tumor,slide,center,split"]
    for number, (patient, centre, tumour) in enumerate(((4, 0, 1), (20, 1, 0), (45, 2, 1), (67, 3, 0))):
        slide = f"patient_{patient:03d}_node_{number}"
        lines.append(f"{number},{patient},{number},3328,{number},{tumour},{number},{centre},{number % 2}")
        _image(tmp_path / "patches" / slide / f"patch_{slide}_x_3328_y_{number}.png", number)
    lines.append("4,99,1,1,1,1,9,4,0")
    (tmp_path / "metadata.csv").write_text("\n".join(lines))

    for given in ("", "metadata.csv", "patches", "patches/patient_004_node_0"):
        dataset = open_dataset(tmp_path / given)
        table = dataset.table
        assert dataset.kind == "WILDS camelyon17"
        assert table["split"].astype(str).to_list() == ["train", "valid", "test", "train"]
        assert table["centre"].to_list() == ["0", "1", "2", "3"]
        assert table["patient"].to_list() == ["004", "020", "045", "067"]
        assert table["slide"][0] == "patient_004_node_0"
        assert table["label"].to_list() == [1, 0, 1, 0]
        assert read(dataset.store, range(4))[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
        assert "1 without a file" in dataset.left_out()


def test_idc_has_patients_and_is_not_enlarged_unasked(tmp_path: Path, fresh_home: Path) -> None:
    for patient in ("10253", "8863"):
        for label in "01":
            _image(tmp_path / patient / label / f"{patient}_idx5_x{label}_y1_class{label}.png", size=50)

    dataset = open_dataset(tmp_path)

    assert (dataset.kind, dataset.class_counts()) == ("IDC 50×50", (2, 2))
    assert sorted(dataset.table["patient"]) == ["10253", "10253", "8863", "8863"]
    assert "Got 50×50 pixels, but a patch of a data set has 96×96" in dataset.store.load([0]).unreadable[0]
    remember(str(tmp_path), Choices(size="mpp"))
    assert "its µm per pixel are not known; give them" in open_dataset(tmp_path).store.load([0]).unreadable[0]
    remember(str(tmp_path), Choices(mpp=4.0))
    assert "would be enlarged 4.1 times; at most 1.3" in open_dataset(tmp_path).store.load([0]).unreadable[0]
    remember(str(tmp_path), Choices(size="resize", enlarge=True))
    loaded = open_dataset(tmp_path).store.load([0])
    assert loaded.notes[0] == ("Resized, whatever its scale: 50×50 of 50×50 pixels became 96×96.",)
    assert (loaded.pixels == 90).all()


def test_nct_crc_asks_for_classes_and_knows_its_scale(tmp_path: Path, fresh_home: Path) -> None:
    for part in ("NCT-CRC-HE-100K", "CRC-VAL-HE-7K"):
        for tissue in ("ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"):
            _image(tmp_path / part / tissue / f"{tissue}-{part}.tif", size=224)

    with pytest.raises(ChoiceError, match=r"Its classes are ADI \(2\), .*TUM \(2\)\. Say which"):
        open_dataset(tmp_path)
    remember(str(tmp_path), Choices(tumour=("TUM",), normal=("NORM", "LYM")))
    dataset = open_dataset(tmp_path)

    assert (dataset.kind, dataset.class_counts()) == ("NCT-CRC", (4, 2))
    assert Counter(dataset.table["split"].astype(str)) == {"train": 3, "test": 3}
    note = "Rescaled from 0.5 to 0.97 µm per pixel, centre taken: 186×186 of 224×224 pixels became 96×96."
    assert dataset.store.load([0]).notes[0] == (note,)
    assert place_of(tmp_path / "NCT-CRC-HE-100K").reader.NAME == "NCT-CRC"


def test_mhist_asks_for_classes(tmp_path: Path, fresh_home: Path) -> None:
    rows = ["Image Name,Majority Vote Label,Number of Annotators who Selected SSA (Out of 7),Partition"]
    for number, (label, part) in enumerate((("SSA", "train"), ("HP", "train"), ("HP", "test"))):
        rows.append(f"MHIST_{number}.png,{label},{number},{part}")
        _image(tmp_path / "images" / f"MHIST_{number}.png", size=224)
    (tmp_path / "annotations.csv").write_text("\n".join(rows))

    with pytest.raises(ChoiceError, match=r"Its classes are HP \(2\), SSA \(1\)"):
        open_dataset(tmp_path)
    remember(str(tmp_path), Choices(tumour=("SSA",), normal=("HP",), size="crop"))
    dataset = open_dataset(tmp_path)

    assert dataset.table["split"].astype(str).to_list() == ["train", "train", "test"]
    assert dataset.labels([0, 1, 2]).tolist() == [1, 0, 0]
    assert dataset.store.load([0]).unreadable == {}


def _parquet(path: Path, greys: list[int], *, labels: Any, names: list[str] = (), paths: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": _png(grey), "path": f"p{grey}.png" if paths else None} for grey in greys]
    table = pa.table({"image": images, "label": labels})
    if names:
        info = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=2)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("place", ["", "data", "datasets--o--n/snapshots/0123456789abcdef/data"])
def test_hugging_face_files_with_images(tmp_path: Path, suffix: str, place: str) -> None:
    folder = tmp_path / "set"
    _parquet(folder / place / f"train-00000-of-00002.{suffix}", [1, 2, 3], labels=[True, False, True])
    _parquet(folder / place / f"train-00001-of-00002.{suffix}", [4], labels=[False])
    _parquet(folder / place / f"validation.{suffix}", [5, 6], labels=[True, False])

    dataset = open_dataset(folder)

    assert dataset.kind == "Parquet with images"
    assert dataset.table["id"].to_list() == [*(f"train-00000{n}" for n in range(4)), "valid-000000", "valid-000001"]
    assert dataset.labels(range(6)).tolist() == [1, 0, 1, 0, 1, 0]
    rows = [5, 0, 3, 0, 2]
    assert read(dataset.store, rows)[:, 0, 0, 0].tolist() == [6, 1, 4, 1, 3]
    copied = pickle.loads(pickle.dumps(dataset.store))  # noqa: S301 - as it goes to a process that packs
    assert read(copied, rows)[:, 0, 0, 0].tolist() == [6, 1, 4, 1, 3]


def test_labels_of_images_in_a_file_go_out_by_id_and_not_by_the_file(tmp_path: Path, fresh_home: Path) -> None:
    _parquet(tmp_path / "set" / "train.parquet", [1], labels=[True])
    assert labels_csv(str(tmp_path / "set")).splitlines() == ["id,label,split,by,at", "train-000000,1,train,,"]


WRITTEN: tuple[dict[str, Any], ...] = (
    {}, {"compression": "none"}, {"compression": "zstd"}, {"compression": "gzip"}, {"compression": "brotli"},
    {"compression": "lz4"}, {"use_dictionary": False}, {"data_page_version": "2.0"},
    {"data_page_version": "2.0", "use_dictionary": False}, {"use_content_defined_chunking": True},
    {"write_batch_size": 10, "data_page_size": 1_000}, {"write_batch_size": 10, "dictionary_pagesize_limit": 1_000},
    {"write_statistics": False},
)  # fmt: skip


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("written", WRITTEN, ids=str)
def test_few_images_of_a_group_are_read_as_all_of_it_are(tmp_path: Path, written: dict[str, Any], plain: bool) -> None:
    images = [_png(grey) if plain else {"bytes": _png(grey), "path": None} for grey in range(200)]
    table = pa.table({"image": images, "label": [number % 2 for number in range(200)]})
    pq.write_table(table, tmp_path / "train.parquet", row_group_size=150, **written)
    few, random = open_dataset(tmp_path).store, np.random.default_rng(0)

    for rows in (random.integers(0, 200, 5), [149, 0, 149], [199], np.arange(200)[::-1]):
        assert read(few, rows)[:, 0, 0, 0].tolist() == list(rows)


def test_images_that_are_missing_are_left_to_arrow(tmp_path: Path) -> None:
    images = [{"bytes": _png(1), "path": None}, None, {"bytes": None, "path": None}, {"bytes": _png(4), "path": None}]
    pq.write_table(pa.table({"image": images, "label": [0, 1, 0, 1]}), tmp_path / "train.parquet")

    loaded = open_dataset(tmp_path).store.load([3, 1, 2, 0])

    assert loaded.pixels[[0, 3], 0, 0, 0].tolist() == [4, 1]
    assert set(loaded.unreadable) == {1, 2}


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    _parquet(tmp_path / "train.parquet", list(range(1, 41)), labels=[1, 0] * 20)
    whole = bytearray((tmp_path / "train.parquet").read_bytes())
    chunk = pq.read_metadata(tmp_path / "train.parquet").row_group(0).column(0)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    whole[start : start + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    (tmp_path / "train.parquet").write_bytes(whole)

    loaded = open_dataset(tmp_path).store.load([0, 39])

    assert list(loaded.unreadable) == [0]
    assert "Its rows here are damaged" in loaded.unreadable[0]


def test_names_of_classes_and_images_are_used(tmp_path: Path) -> None:
    _parquet(tmp_path / "train.parquet", [1, 2], labels=[0, 1], names=["tumor", "normal"], paths=True)

    dataset = open_dataset(tmp_path / "train.parquet")

    assert dataset.table.set_index("id")["label"].to_dict() == {"p1": 1, "p2": 0}


def test_a_broken_parquet_file_leaves_the_others(tmp_path: Path) -> None:
    _parquet(tmp_path / "train-0.parquet", [1, 2], labels=[0, 1])
    whole = (tmp_path / "train-0.parquet").read_bytes()
    (tmp_path / "train-1.parquet").write_bytes(whole[: len(whole) // 2])

    dataset = open_dataset(tmp_path)

    assert len(dataset) == 2
    assert "of a file that cannot be read (train-1.parquet: it is no readable Parquet file" in dataset.left_out()


PICTURES = np.stack([np.full((96, 96, 3), grey, np.uint8) for grey in (1, 2, 3, 4)])


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("a.npz", {"x": PICTURES, "y": np.array([1, 0, 1, 0])}),
        ("a.npz", {"train_images": PICTURES[:2], "train_labels": np.array([[1], [0]]), "val_images": PICTURES[2:],
                   "val_labels": np.array([[1], [0]])}),
        ("", {"x_train": PICTURES, "y_train": np.array([1.0, 0.0, 1.0, 0.0])}),
        ("", {"images": PICTURES.transpose(0, 3, 1, 2), "labels": np.eye(2)[[1, 0, 1, 0]]}),
        ("", {"X": PICTURES / 255, "y": np.array(["tumour", "normal", "tumour", "normal"])}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_with_labels(tmp_path: Path, name: str, arrays: dict[str, np.ndarray], compressed: bool) -> None:
    if name:
        (np.savez_compressed if compressed else np.savez)(tmp_path / name, **arrays)
    for key, array in {} if name else arrays.items():
        np.save(tmp_path / f"{key}.npy", array)

    for given in ("", name):
        dataset = open_dataset(tmp_path / given)
        assert dataset.kind == "NumPy arrays"
        assert dataset.labels(range(4)).tolist() == [1, 0, 1, 0]
        assert read(dataset.store, [3, 0])[:, 0, 0, 0].tolist() == [4, 1]
        assert dataset.table["id"][0] == "train-000000"


def test_arrays_that_do_not_fit_are_left_out(tmp_path: Path, fresh_home: Path) -> None:
    np.savez(tmp_path / "a.npz", train_x=PICTURES, train_y=np.array([1, 0]), test_x=PICTURES, test_y=[0, 1, 0, 1])
    dataset = open_dataset(tmp_path)
    assert len(dataset) == 4
    assert "(train_x: it has 4 pictures, and there are 2 labels)" in dataset.left_out()
    # A column for each class, and no patch in the test split.
    np.savez(
        tmp_path / "a.npz",
        train_x=PICTURES,
        train_y=np.eye(2)[[1, 0, 1, 0]],
        test_x=PICTURES[:0],
        test_y=np.zeros((0, 2)),
    )
    assert open_dataset(tmp_path).labels(range(4)).tolist() == [1, 0, 1, 0]

    np.savez(tmp_path / "a.npz", x=np.zeros((2, 96, 96, 3), np.int32), y=[0, 1])
    with pytest.raises(DataError, match=r"pictures must be uint8 N×H×W×3, or floats from 0 to 1, got int32"):
        open_dataset(tmp_path)
    np.savez(tmp_path / "a.npz", x=np.full((2, 224, 224, 3), 7, np.uint8), y=[0, 1])
    assert "Got 224×224 pixels" in open_dataset(tmp_path).store.load([1]).unreadable[0]
    remember(str(tmp_path), Choices(mpp=0.5))
    assert (read(open_dataset(tmp_path).store, [0, 1]) == 7).all()
