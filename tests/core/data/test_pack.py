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
from core.data import FileStore, find_pack, is_stale, make_pack, open_dataset, pack_folder, remove_pack
from core.data import pack as module
from core.data.store import PackedStore
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
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=module.SPARE + 100_000))
    with pytest.raises(StorageError, match=r"10 patches needs 0.00 GB more at .*, and 0.00 GB are free"):
        make_pack(open_dataset(folder))
    assert not list(pack_folder(str(folder)).glob("patches-*"))


def test_a_pack_that_lost_its_file_is_no_pack(folder: Path) -> None:
    make_pack(open_dataset(folder)).path.unlink()
    assert isinstance(open_dataset(folder).store, FileStore)


def test_a_damaged_note_is_said(folder: Path) -> None:
    make_pack(open_dataset(folder))
    (pack_folder(str(folder)) / "about.json").write_text("{")
    with pytest.raises(DataError, match=r"about\.json is damaged"):
        open_dataset(folder)


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
