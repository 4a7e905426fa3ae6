"""What people do to packs: make them, kill them, fill the disk, change the folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.commands import main
from core.data import FileStore, find_pack, is_stale, make_pack, open_dataset, pack_blocks, pack_folder, remove_pack
from core.data import pack as module
from core.data.pack_blocks import verify_pack
from core.data.quality import make_check
from core.data.store import PATCH_BYTES, PackedStore
from core.errors import DataError, StorageError

Folder = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(kaggle_folder: Folder, fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten patches, of which p3 is broken, in chunks of four."""
    monkeypatch.setattr(module, "CHUNK", 4)
    made = kaggle_folder({f"p{number}": number % 2 for number in range(8)}, test=("x", "y"))
    (made / "train" / "p3.tif").write_bytes(b"no image")
    return made


def test_a_pack_holds_the_same_pixels_and_remembers_what_was_unreadable(folder: Path) -> None:
    raw = open_dataset(folder)
    assert isinstance(raw.store, FileStore)
    pack = make_pack(raw)
    packed = open_dataset(folder)
    assert isinstance(packed.store, PackedStore)
    rows = [9, 3, 0, 3, 8]
    expected, found = raw.store.load(rows), packed.store.load(rows)
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert (
        found.unreadable
        == expected.unreadable
        == dict.fromkeys((1, 3), "p3.tif: This is text, not an image; use a TIFF, PNG, JPEG or WebP file.")
    )
    assert pack.unreadable == {3: "p3.tif: This is text, not an image; use a TIFF, PNG, JPEG or WebP file."}
    assert packed.stamp() == raw.stamp()
    assert not list(pack.path.parent.glob("journal-*"))


def test_what_is_finished_is_not_done_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class EnoughError(Exception):
        pass

    def stop(share: float) -> None:
        if share > 0.5:
            raise EnoughError

    with pytest.raises(EnoughError):
        make_pack(open_dataset(folder), progress=stop)  # after two of three chunks
    assert find_pack(open_dataset(folder)) is None
    journal = next(pack_folder(str(folder)).glob("journal-*"))
    journal.write_text(journal.read_text() + '{"start": 8, "st')  # a line that a kill cut off
    read: list[int] = []
    load = FileStore.load
    monkeypatch.setattr(FileStore, "load", lambda self, rows: read.extend(map(int, rows)) or load(self, rows))
    make_pack(open_dataset(folder, raw=True))
    assert read == [8, 9]
    monkeypatch.undo()
    raw = open_dataset(folder, raw=True)
    np.testing.assert_array_equal(open_dataset(folder).store.load(range(10)).pixels, raw.store.load(range(10)).pixels)


def test_a_chunk_that_reached_the_journal_but_not_the_disk_is_written_again(folder: Path) -> None:
    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_pack(open_dataset(folder), progress=stop)
    path = next(pack_folder(str(folder)).glob("patches-*"))
    path.write_bytes(path.read_bytes()[:200] + bytes(path.stat().st_size - 200))
    make_pack(open_dataset(folder))
    raw = open_dataset(folder, raw=True)
    np.testing.assert_array_equal(open_dataset(folder).store.load(range(10)).pixels, raw.store.load(range(10)).pixels)


def test_a_folder_that_changed_is_noticed_and_packed_anew(folder: Path) -> None:
    first, before = make_pack(open_dataset(folder)), open_dataset(folder).stamp()
    shutil.copy(folder / "train" / "p0.tif", folder / "train" / "p3.tif")
    assert isinstance(open_dataset(folder).store, PackedStore)  # rewritten in place, which a glance does not see
    assert isinstance(open_dataset(folder, fresh=True).store, FileStore)
    changed = open_dataset(folder)  # and once it was seen, a glance is not enough any more
    assert isinstance(changed.store, FileStore)
    assert is_stale(changed)
    assert changed.stamp() != before
    assert changed.fingerprint() == open_dataset(folder, raw=True).fingerprint()
    second = make_pack(changed)
    assert second.unreadable == {}
    assert not first.path.exists()
    assert not is_stale(open_dataset(folder))


def test_a_folder_that_changes_meanwhile_is_not_taken_for_packed(folder: Path) -> None:
    def change(share: float) -> None:
        os.utime(folder / "train" / "p1.tif", (1, 1))

    with pytest.raises(DataError, match="changed while it was packed"):
        make_pack(open_dataset(folder), progress=change)
    assert find_pack(open_dataset(folder)) is None


def test_a_disk_that_is_too_small_is_said_with_numbers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=pack_blocks.SPARE + 100_000))
    with pytest.raises(StorageError, match=r"10 patches needs 0.00 GB more at .*, and 0.00 GB are free"):
        make_pack(open_dataset(folder))
    assert not list(pack_folder(str(folder)).glob("patches-*"))


def test_a_pack_that_lost_its_file_is_no_pack(folder: Path) -> None:
    make_pack(open_dataset(folder)).path.unlink()
    assert isinstance(open_dataset(folder).store, FileStore)


def test_a_damaged_note_is_said(folder: Path) -> None:
    make_pack(open_dataset(folder))
    (pack_folder(str(folder)) / "about.json").write_text("{")
    with pytest.raises(DataError, match=r"is damaged: .*about\.json cannot be read .* python -m core pack "):
        open_dataset(folder)


def _damage(path: Path, kind: str) -> None:
    """Change the file of a pack in one of the ways in which disks, copies and people do."""
    data = path.read_bytes()
    begin = len(data) - 10 * PATCH_BYTES
    half = begin + 5 * PATCH_BYTES
    inverted = bytes(255 - value for value in data[half:])
    changed = {
        "half inverted": data[:half] + inverted,
        "first byte": data[:begin] + bytes([data[begin] ^ 1]) + data[begin + 1 :],
        "last byte": data[:-1] + bytes([data[-1] ^ 1]),
        "two patches exchanged": data[:begin] + data[begin + PATCH_BYTES : begin + 2 * PATCH_BYTES]
        + data[begin : begin + PATCH_BYTES] + data[begin + 2 * PATCH_BYTES :],
        "a byte missing": data[:-1],
        "half missing": data[:half],
        "empty": b"",
        "a byte too many": data + b"0",
        "a patch too many": data + bytes(PATCH_BYTES),
        "header": b"x" + data[1:],
        "fewer in the header": data.replace(b"(10,", b"( 9,"),
        "order in the header": data.replace(b"'fortran_order': False", b"'fortran_order': True "),
    }  # fmt: skip
    path.write_bytes(changed[kind])


@pytest.mark.parametrize(
    "kind",
    [
        "half inverted", "first byte", "last byte", "two patches exchanged", "a byte missing", "half missing", "empty",
        "a byte too many", "a patch too many", "header", "fewer in the header", "order in the header",
    ],
)  # fmt: skip
def test_a_damaged_pack_is_never_read_from_and_packing_again_mends_it(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_blocks, "BLOCK", 3)
    pack = make_pack(open_dataset(folder, raw=True))
    _damage(pack.path, kind)
    for fresh in (False, True):
        with pytest.raises(DataError, match=r"is damaged: .* Pack the folder again: python -m core pack "):
            open_dataset(folder, fresh=fresh)
    assert main(["check", str(folder)]) != 0
    assert "is damaged" in capsys.readouterr().err
    make_pack(open_dataset(folder, raw=True))
    raw = open_dataset(folder, raw=True)
    np.testing.assert_array_equal(open_dataset(folder).store.load(range(10)).pixels, raw.store.load(range(10)).pixels)
    assert main(["check", str(folder), "--pack"]) == 0
    assert "pack: all 10 patches are as they were packed" in capsys.readouterr().out


def test_what_a_sample_may_miss_the_check_finds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_blocks, "BLOCK", 1)
    monkeypatch.setattr(pack_blocks, "SAMPLE", 2)  # the first and the last only
    pack = make_pack(open_dataset(folder, raw=True))
    assert len(pack.checksums or ()) == 10
    data = bytearray(pack.path.read_bytes())
    data[-5 * PATCH_BYTES] ^= 1
    pack.path.write_bytes(data)
    open_dataset(folder)
    for look in (lambda: verify_pack(pack), lambda: make_check(str(folder))):
        with pytest.raises(DataError, match="patches 6 to 6 are not those that were packed"):
            look()


@pytest.mark.parametrize("checksums", ["", "zz", "00000000ff", 5, ["00000000"]])
def test_checksums_that_are_damaged_are_said(folder: Path, checksums: object) -> None:
    make_pack(open_dataset(folder, raw=True))
    path = pack_folder(str(folder)) / "about.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "checksums": checksums}))
    with pytest.raises(DataError, match=r"is damaged: .*checksums"):
        open_dataset(folder)


def test_a_pack_of_an_earlier_version_opens_and_says_that_it_cannot_be_verified(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_pack(open_dataset(folder, raw=True))
    path = pack_folder(str(folder)) / "about.json"
    about = json.loads(path.read_text())
    del about["checksums"]
    path.write_text(json.dumps(about))
    assert isinstance(open_dataset(folder).store, PackedStore)
    assert main(["check", str(folder), "--pack"]) == 0
    assert "pack: cannot be verified" in capsys.readouterr().out


def test_the_checksums_of_a_pack_that_was_continued_are_those_of_one_made_at_once(folder: Path) -> None:
    whole = make_pack(open_dataset(folder, raw=True)).checksums
    remove_pack(str(folder))

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_pack(open_dataset(folder, raw=True), progress=stop)
    assert make_pack(open_dataset(folder, raw=True)).checksums == whole


def test_a_pack_of_another_user_is_not_called_damaged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = make_pack(open_dataset(folder, raw=True))
    load = np.load

    def forbidden(path: Path, **given: object) -> object:
        if path == pack.path:
            raise PermissionError(13, "Permission denied")
        return load(path, **given)

    monkeypatch.setattr(np, "load", forbidden)
    with pytest.raises(DataError, match=r"cannot be read: Permission denied. Check its permissions"):
        open_dataset(folder)
    with pytest.raises(DataError, match="Permission denied"):
        make_pack(open_dataset(folder, raw=True))
    assert pack.path.is_file()


def test_the_demo_needs_none(small_demo: object) -> None:
    with pytest.raises(DataError, match="nothing to pack"):
        make_pack(small_demo)  # type: ignore[arg-type]


def test_the_command_names_what_it_could_not_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pack", str(folder), "--workers", "1"]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("10 patches in ")
    assert "row 3: p3.tif: This is text, not an image; use a TIFF, PNG, JPEG or WebP file." in said.err
    remove_pack(str(folder))
    assert find_pack(open_dataset(folder)) is None


@pytest.mark.slow
def test_killed_and_started_again_it_ends_with_the_same_patches(
    kaggle_folder: Folder, fresh_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = kaggle_folder({f"p{number:04d}": number % 2 for number in range(1500)})
    command = [sys.executable, "-m", "core", "pack", str(folder), "--workers", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    notes: list[str] = []
    while not notes and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
        notes = [line for path in pack_folder(str(folder)).glob("journal-*") for line in path.read_text().splitlines()]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert json.loads(notes[0])["start"] == 0
    assert find_pack(open_dataset(folder)) is None
    raw = open_dataset(folder, raw=True)
    make_pack(raw, workers=2)
    rows = np.arange(1500)
    np.testing.assert_array_equal(open_dataset(folder).store.load(rows).pixels, raw.store.load(rows).pixels)
