"""Zips of data sets and PatchCamelyon's .h5.gz: said what they hold, unpacked on request, opened as folders."""

import gzip
import shutil
import threading
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from core.commands import main
from core.data import make_pack, open_dataset, pack_folder
from core.data.archives import unpack
from core.data.readers.pcam import x_file, y_file
from core.errors import ChoiceError, DataError


@pytest.fixture
def zipped(tmp_path: Path, fresh_home: Path) -> Path:
    """A zip of a folder with class folders."""
    for number, name in enumerate(("tumour", "normal")):
        (tmp_path / "made" / "set" / name).mkdir(parents=True)
        pixels = np.full((96, 96, 3), number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "made" / "set" / name / f"{number}.png")
    return Path(shutil.make_archive(str(tmp_path / "data"), "zip", tmp_path / "made"))


def test_a_zip_says_what_it_holds_and_opens_once_unpacked(zipped: Path) -> None:
    with pytest.raises(ChoiceError, match=r"data.zip holds 2 files \(<1 MB unpacked\)\. Unpack it .*pack --unpack"):
        open_dataset(zipped)
    shares: list[float] = []
    unpack(zipped, progress=shares.append)
    dataset = open_dataset(zipped)

    assert (dataset.source, dataset.name, dataset.kind) == (str(zipped), "data.zip", "class folders")
    assert dataset.table["id"].to_list() == ["1", "0"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    make_pack(open_dataset(zipped, raw=True))
    assert open_dataset(zipped).quick_stamp == dataset.quick_stamp


def test_a_zip_that_changed_is_unpacked_anew(zipped: Path) -> None:
    unpack(zipped)
    with zipfile.ZipFile(zipped, "a") as archive:
        archive.writestr("set/tumour/new.png", b"x")

    with pytest.raises(ChoiceError, match="holds 3 files"):
        open_dataset(zipped)
    unpack(zipped)
    assert len(open_dataset(zipped)) == 3
    assert len(list(pack_folder(str(zipped)).glob("unpacked-*"))) == 1


def test_a_folder_that_holds_only_a_zip_is_its_data_set(
    zipped: Path, fresh_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = zipped.parent / "downloaded"
    alone.mkdir()
    (alone / "notes.txt").touch()
    shutil.move(zipped, alone / "data.zip")

    with pytest.raises(ChoiceError, match=r"data.zip holds .* files"):
        open_dataset(alone)
    assert main(["check", str(alone), "--look"]) == 0
    said = capsys.readouterr().out
    assert "class folders: 2 patches, 1 normal, 1 tumour" in said
    assert open_dataset(alone).source == str(alone / "data.zip")


def test_two_that_unpack_at_once_both_find_it(zipped: Path) -> None:
    """The second took the unfinished folder of the first away, which then failed."""
    ended: list[str] = []

    def second() -> None:
        unpack(zipped)
        ended.append("second")

    thread = threading.Thread(target=second)

    def meanwhile(share: float) -> None:
        if share < 1 and thread.ident is None:
            thread.start()
            thread.join(0.3)

    unpack(zipped, progress=meanwhile)
    ended.append("first")
    thread.join(10)
    assert sorted(ended) == ["first", "second"]
    assert len(open_dataset(zipped)) == 2


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b"])
def test_an_empty_gzip_is_said_and_leaves_nothing(tmp_path: Path, fresh_home: Path, content: bytes) -> None:
    path = Path(f"{x_file(tmp_path, 'train')}.gz")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be unpacked \(it is cut off\). Copy or download it again"):
        unpack(tmp_path)
    assert list(tmp_path.glob("*.h5*")) == [path]


def test_commands_unpack_by_themselves(zipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(zipped), "--look"]) == 0
    assert "class folders: 2 patches, 1 normal, 1 tumour" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["../outside.png", "/outside.png", "a/../../../outside.png"])
def test_nothing_is_written_outside(tmp_path: Path, fresh_home: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(name, b"x")
    unpack(tmp_path / "bad.zip")

    assert not list(tmp_path.glob("outside*"))
    assert [path.name for path in fresh_home.rglob("outside.png")] == ["outside.png"]


def test_a_damaged_zip_leaves_nothing(zipped: Path, fresh_home: Path) -> None:
    data = bytearray(zipped.read_bytes())
    data[60:120] = bytes(60)
    zipped.write_bytes(data)

    with pytest.raises(DataError, match=r"data.zip cannot be unpacked \(.*\)\. Copy or download it again"):
        unpack(zipped)
    assert not list(fresh_home.glob("packs/*/unpacked-*"))


def test_pcams_gzips_are_unpacked_beside_themselves(tmp_path: Path, fresh_home: Path) -> None:
    folder = tmp_path / "high" / "pcam"
    folder.mkdir(parents=True)
    for path, key, values in (
        (x_file(folder, "train"), "x", np.full((3, 96, 96, 3), 7, np.uint8)),
        (y_file(folder, "train"), "y", np.array([0, 1, 0], np.uint8)),
    ):
        with h5py.File(path, "w") as file:
            file[key] = values
        with path.open("rb") as plain, gzip.open(f"{path}.gz", "wb") as packed:
            shutil.copyfileobj(plain, packed)
        path.unlink()

    with pytest.raises(ChoiceError, match=r"split_train_x.h5.gz, .* must be unpacked first: .*pack --unpack"):
        open_dataset(folder)
    assert main(["pack", "--unpack", str(folder)]) == 0
    assert open_dataset(folder.parent).labels([0, 1, 2]).tolist() == [0, 1, 0]
    assert not list(folder.glob("*.part"))
