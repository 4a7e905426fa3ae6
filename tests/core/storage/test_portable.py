"""What differs between systems, as each of them has it."""

import errno
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from core.errors import StorageError
from core.storage import atomic, portable


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("patch-1", "patch-1"), ("a/b\\c:d", "a_b_c_d"), ("..", ""), ("ends. .", "ends"), ("tab\there", "tab_here"),
        ("CON", "_CON"), ("nul.txt", "_nul.txt"), ("com7 .x", "_com7 .x"), ("LPT0", "_LPT0"), ("console", "console"),
        ("µ" * 200, "µ" * 150),
    ],
)  # fmt: skip
def test_a_name_is_one_that_every_system_takes(text: str, name: str) -> None:
    assert portable.file_name(text) == name


def test_a_file_that_is_open_for_a_moment_is_replaced_after_it(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text("old")
    reader = path.open()
    threading.Timer(0.1, reader.close).start()

    atomic.write_text(path, "new")

    assert path.read_text() == "new"


def test_a_file_that_stays_open_is_said_and_stays_as_it_was(tmp_path: Path, system: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with path.open():
        if system != "windows":
            atomic.write_text(path, "new")
            return
        with pytest.raises(StorageError, match=r"Access is denied\. Close the program that has it open"):
            atomic.write_text(path, "new")
        portable.remove(path)  # is left to whoever comes next
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["table.csv"])


def test_a_text_that_is_being_replaced_is_read_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    path, ready = tmp_path / "a.json", time.monotonic() + 0.1
    path.write_bytes("µ".encode())
    read = Path.read_text

    def busy(self: Path, *arguments: str) -> str:
        if time.monotonic() < ready:
            raise PermissionError(errno.EACCES, "Access is denied")
        return read(self, *arguments)

    monkeypatch.setattr(Path, "read_text", busy)
    if system == "windows":
        assert portable.read_text(path) == "µ"
    else:
        with pytest.raises(PermissionError):
            portable.read_text(path)


def test_a_folder_that_knows_no_sync_is_no_error_and_a_disk_that_fails_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    reason = errno.EINVAL

    def refuse(_handle: int) -> None:
        raise OSError(reason, "no")

    monkeypatch.setattr(os, "fsync", refuse)
    portable.sync(tmp_path)
    reason = errno.EIO
    if system == "windows":
        portable.sync(tmp_path)  # has none to fail
    else:
        with pytest.raises(OSError, match="no"):
            portable.sync(tmp_path)


def test_a_detached_process_is_asked_for_in_the_words_of_the_system(system: str) -> None:
    assert portable.detachment() == (
        {"creationflags": 0x8000200} if system == "windows" else {"start_new_session": True}
    )
    if system == "windows":  # the names that only subprocess on Windows has
        assert getattr(subprocess, "CREATE_NO_WINDOW", 0x8000000) == 0x8000000
        assert getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200) == 0x200


def test_what_a_file_takes_and_what_is_free_are_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 10_000)
    portable.claim_space(path)

    assert 10_000 <= portable.taken_space(path) <= 1_000_000
    assert portable.free_space(tmp_path) > 0
    assert 1 <= portable.cores() <= (os.cpu_count() or 1)
    assert portable.is_own(path.stat())
