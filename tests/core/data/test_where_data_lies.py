"""Where data lies: a data set is found from inside and above, and what cannot be one is named or left out."""

import gzip
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from core.commands import main
from core.data import make_pack, open_dataset
from core.data.layouts import place_of
from core.data.open import recognise
from core.data.readers.pcam import x_file
from core.errors import DataError
from tests.core.data.people import image, kaggle, pcam

Write = Callable[[Path], None]


def _zipped(folder: Path) -> None:
    folder.mkdir()
    with gzip.open(folder / f"{x_file(folder, 'train').name}.gz", "wb") as file:
        file.write(b"x")


def _files(*names: str) -> Write:
    def write(folder: Path) -> None:
        for name in names:
            image(folder / name) if name.endswith("tif") else (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()

    return write


FOUND: dict[str, tuple[Write, str, str, str]] = {
    "train/ itself": (lambda f: kaggle(f), "train", "", "kaggle"),
    "a folder in train/": (lambda f: kaggle(f, ("a1",), names=("n/a1.tif",)), "train/n", "", "kaggle"),
    "one level too high": (lambda f: kaggle(f / "deep"), "", "deep", "kaggle"),
    "two levels too high": (lambda f: kaggle(f / "a" / "b"), "", "a/b", "kaggle"),
    "the table": (lambda f: kaggle(f), "train_labels.csv", "", "kaggle"),
    "an image": (lambda f: kaggle(f), "train/a1.tif", "", "kaggle"),
    "an .h5 file": (lambda f: pcam(f, {"train": 2}), "camelyonpatch_level_2_split_train_x.h5", "", "pcam"),
    "PCam one level too high": (lambda f: (f.mkdir(), pcam(f / "pcam", {"train": 2})), "", "pcam", "pcam"),
    "class folders one level too high": (_files("deep/normal/a.tif", "deep/tumour/b.tif"), "", "deep", "class folders"),
    "one class": (_files("normal/a.tif", "tumour/b.tif"), "tumour", "", "class folders"),
    "an image of a class": (_files("train/0/a.tif", "train/1/b.tif"), "train/1/b.tif", "", "class folders"),
    "images only": (_files("a.tif", "b.tif"), "", "", "images without labels"),
}


@pytest.mark.parametrize("case", FOUND)
def test_a_data_set_is_found_from_inside_and_from_above(tmp_path: Path, case: str) -> None:
    make, given, found, layout = FOUND[case]
    make(tmp_path / "set")

    place = place_of(tmp_path / "set" / given)
    assert (place.reader.NAME, place.source) == (layout, str(tmp_path / "set" / found))
    assert recognise(tmp_path / "set" / given) == place.source


WRONG_FOLDERS: dict[str, tuple[Write, str, str]] = {
    "two data sets": (lambda f: (kaggle(f / "a"), kaggle(f / "b")), "", r"set/a, .*set/b are; give one of them"),
    "packed": (_zipped, "", r"train_x.h5.gz must be unpacked first: under 'Data set' .*pack --unpack"),
    "zip": (_files("histopathologic-cancer-detection.zip"), "", r"detection.zip cannot be opened: it is no whole zip"),
    "two zips": (_files("a.zip", "b.zip"), "", r"each of a.zip, b.zip can be opened itself; give the path of one"),
    "table of another name": (
        _files("labels.csv"),
        "",
        r"labels.csv may hold the labels; rename it to train_labels.csv",
    ),
    "workbook": (_files("train_labels.xlsx"), "", r"train_labels.xlsx may hold the labels; save it as CSV under"),
    ".h5 of another name": (_files("train_x.h5"), "", r"rename it to camelyonpatch_level_2_split_train_x.h5"),
    "labels of PCam alone": (
        _files("camelyonpatch_level_2_split_train_y.h5"),
        "",
        r"camelyonpatch_level_2_split_train_x.h5 is missing",
    ),
}


@pytest.mark.parametrize("case", WRONG_FOLDERS)
def test_a_wrong_folder_is_told_the_right_one(tmp_path: Path, case: str) -> None:
    make, given, words = WRONG_FOLDERS[case]
    make(tmp_path / "set")

    with pytest.raises(DataError) as error:
        recognise(tmp_path / "set" / given)
    assert re.search(words, str(error.value)), str(error.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a1,1\nB2,0\n", "needs the columns id, label, got a1, 1: the names of the columns seem to be missing"),
        (b"a1;1\nB2;0\n", r"got a1, 1 \(between semicolons\): the names of the columns seem to be missing"),
        (b"image;class\na1;1\n", r"got image, class \(between semicolons\)"),
        (b"PK\x03\x04rest", "is an Excel workbook or a zip archive and no CSV file"),
        (b"\x1f\x8brest", "is a gzip archive"),
        (b"\x89HDF\r\n", "is an HDF5 file"),
        (b"id,label\na\0b,1\n", "is no text"),
        (b"\xff\xfei", "is no text"),
        (b"id,label\n\x81,1\n", "is no text"),
        (b"", "got an empty file"),
        (b"\n\n \n", "got an empty file"),
    ],
)
@pytest.mark.parametrize("name", ["train_labels.csv", "patch_id_wsi_full.csv"])
def test_a_table_that_is_none_says_what_was_found(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (kaggle(tmp_path) / name).write_bytes(data)

    with pytest.raises(DataError) as error:
        open_dataset(tmp_path)
    found = words if name == "train_labels.csv" else words.replace("id, label, got", "id, wsi, got")
    assert re.search(f"{name}.*{found}", str(error.value)), str(error.value)


ODD: dict[str, tuple[Callable[[bytes], None], str]] = {
    "not UTF-8": (lambda f: os.rename(f + b"/a1.tif", f + b"/caf\xe9.tif"), "caf\ufffd.tif: it has a name that"),
    "line end": (lambda f: os.rename(f + b"/a1.tif", f + b"/a\n1.tif"), "a\ufffd1.tif: it has a name that"),
    "escape": (lambda f: os.rename(f + b"/a1.tif", f + b"/a\x1b[31m.tif"), "a\ufffd[31m.tif: it has a name"),
    "folder": (lambda f: os.mkdir(f + b"/d.tif"), "d.tif: it is a folder"),
    "link to itself": (lambda f: os.symlink(b"d.tif", f + b"/d.tif"), "be read: Too many levels of symbolic links"),
    "link to nowhere": (lambda f: os.symlink(b"/nowhere", f + b"/d.tif"), "d.tif: it is a link that leads nowhere"),
    "pipe": (lambda f: os.mkfifo(f + b"/d.tif"), "d.tif: it is no file"),
}


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("case", ODD)
def test_an_odd_entry_is_left_out_and_the_rest_is_used(
    tmp_path: Path, fresh_home: Path, capsys: pytest.CaptureFixture[str], case: str, part: str
) -> None:
    folder = kaggle(tmp_path / "set", tuple(f"p{n}" for n in range(20)))
    for directory in ("train", "test"):
        image(folder / directory / "a1.tif")
    make, words = ODD[case]
    make(os.fsencode(folder / part))
    os.mkdir(os.fsencode(folder / part) + b"/caf\xe9")

    dataset = open_dataset(folder)

    assert int(dataset.table["label"].notna().sum()) == 20
    assert words in dataset.left_out()
    dataset.left_out().encode()
    assert make_pack(open_dataset(folder, raw=True)).count == len(dataset)
    assert open_dataset(folder).left_out() == dataset.left_out()
    for command in (["check", str(folder)], ["split", "--data", str(folder)]):
        assert main(command) in (0, 1)
        assert words in capsys.readouterr().err


def test_a_link_into_a_forbidden_folder_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = kaggle(tmp_path / "set")
    before = open_dataset(folder)

    # Root may read everything, so the system's answer is given by hand.
    class Forbidden:
        name, path = "z.tif", str(folder / "train" / "z.tif")

        def is_file(self) -> bool:
            raise PermissionError(13, "Permission denied")

        is_dir = stat = lambda self, **_more: self.is_file()

        def is_symlink(self) -> bool:
            return True

    real = os.scandir

    class Scan:
        def __init__(self, path: object):
            self._real = real(path)  # type: ignore[call-overload]
            self._more = [Forbidden()] if str(path).endswith("train") else []

        def __enter__(self) -> "Scan":
            return self

        def __exit__(self, *_error: object) -> None:
            self._real.close()

        def __iter__(self) -> object:
            return iter([*self._real, *self._more])

    monkeypatch.setattr(os, "scandir", Scan)
    dataset = open_dataset(folder)

    assert len(dataset) == 3
    assert dataset.files == before.files
    assert "train/z.tif: it cannot be read: Permission denied; it is a link" in dataset.left_out()


@pytest.mark.parametrize("command", ["check", "pack", "train", "split", "embed", "evaluate", "label-errors"])
def test_a_folder_whose_path_is_not_utf_8_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    folder = os.fsdecode(os.fsencode(kaggle(tmp_path / "set").parent) + b"/caf\xe9")
    os.rename(tmp_path / "set", folder)

    out = ["--out", str(tmp_path / "x.csv")] if command == "embed" else []
    assert main([command, *(["--data", folder] if command != "pack" else [folder]), *out]) == 2
    assert "caf\ufffd has characters that are not UTF-8" in capsys.readouterr().err
