"""Files are whole or not there, whatever happens while they are written."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.errors import StorageError
from core.storage import atomic


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.txt"
    for text in ("one\n", "zwei ✓\r\n"):
        atomic.write_text(path, text)

    assert path.read_bytes() == "zwei ✓\r\n".encode()
    assert _names(path.parent) == ["a.txt"]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")

    with atomic.replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent  # else the renaming would be a copy

    assert path.read_text() == "new"


def test_a_failing_body_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")

    def fail() -> None:
        with atomic.replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert path.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_said_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StorageError, match=r"a.txt could not be written to .*: No space left on device"):
            atomic.write_text(path, "new")

    assert path.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


def test_the_data_is_on_disk_before_the_name_points_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(handle: int) -> None:
        order.append("fsync " + Path(os.readlink(f"/proc/self/fd/{handle}")).name.split(".")[-1])
        fsync(handle)

    def note_replace(source: Path, target: Path) -> None:
        order.append("replace")
        replace(source, target)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to name open files")
    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)

    atomic.write_text(tmp_path / "a.txt", "new")

    folder = [] if system == "windows" else [f"fsync {tmp_path.name}"]
    assert order == ["fsync tmp", "replace", *folder]


def test_a_parent_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(StorageError, match=r"a.txt could not be written to .*file"):
        atomic.write_text(tmp_path / "file" / "a.txt", "new")

    assert (tmp_path / "file").read_text() == "x"


def test_json_is_readable_and_has_no_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    atomic.write_json(path, {"µm": 0.97, "none": None})

    assert json.loads(path.read_text("utf-8")) == {"µm": 0.97, "none": None}
    assert "µm" in path.read_text("utf-8")
    with pytest.raises(ValueError, match="JSON compliant"):
        atomic.write_json(path, {"loss": float("nan")})
    assert json.loads(path.read_text("utf-8"))["none"] is None


def test_what_a_killed_writer_left_is_swept_and_a_living_one_keeps_its_file(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = {f".checkpoint.pt.{dead.pid}-0a1b2c3d.tmp": 100, f".notes.txt.{dead.pid}-0a1b2c3d.tmp": 1,
             f".status.json.{os.getpid()}-0a1b2c3d.tmp": 100, ".mine.tmp": 100, "checkpoint.pt": 100}  # fmt: skip
    for name, age in names.items():
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)

    atomic.sweep(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(list(names)[1:])


def test_writing_a_file_removes_what_killed_writers_left_of_it_alone(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    of_it, of_another = (f".{name}.{dead.pid}-0a1b2c3d.tmp" for name in ("a[1].npz", "b.npz"))
    for name in (of_it, of_another):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (time.time() - 100,) * 2)

    atomic.write_text(tmp_path / "a[1].npz", "new")

    assert _names(tmp_path) == sorted([of_another, "a[1].npz"])
