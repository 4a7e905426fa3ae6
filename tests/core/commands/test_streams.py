"""Where the output goes: a full disk, a reader who left, closed streams, names that no terminal should get, Ctrl+C."""

import errno
import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.commands import COMMANDS, main
from core.commands.streams import Printed
from core.errors import StorageError

ROOT = Path(__file__).resolve().parents[3]
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")

PRINTING = [
    ["--version"],
    ["info"],
    ["info", "--json"],
    ["runs", "list"],
    ["runs", "list", "--json"],
    ["studies", "list"],
    ["info", "--models"],
    *([name, "--help"] for commands in COMMANDS.values() for name in commands),
]


@pytest.fixture
def patch_file(tmp_path: Path) -> Path:
    """A patch whose name has a colour, a line break of terminals and a change of the direction of writing."""
    path = tmp_path / "red\x1b[31m\u202egnp.png"
    Image.fromarray(np.full((96, 96, 3), 200, np.uint8)).save(path)
    return path


@needs_full
@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_full_disk_behind_the_output_is_one_sentence(
    words: list[str], fresh_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        status = main(words)

    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: The output could not be written: No space left on device.")


@needs_full
def test_predictions_that_find_a_full_disk_are_no_success(
    patch_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["predict", str(patch_file)]) == 2

    assert capsys.readouterr().err.count("error: The output could not be written") == 1


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_reader_who_left_ends_the_command_quietly(
    words: list[str], fresh_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as left:
        monkeypatch.setattr(sys, "stdout", left)
        status = main(words)

    assert status == 141
    assert "error" not in capsys.readouterr().err


@needs_full
def test_notes_that_cannot_be_written_change_neither_result_nor_status(
    patch_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        status = main(["predict", str(patch_file), str(broken)])

    assert status == 1
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_stream_is_thrown_away(
    closed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, closed, None)
    assert main(["info"]) == 0

    found = capsys.readouterr()
    assert ("network" in found.out) == (closed == "stderr")
    assert found.err == ""


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("caf\u00e9 3 \u00b5m\tx\n", "caf\u00e9 3 \u00b5m\tx\n"),
        ("\rPacking: 50%", "\rPacking: 50%"),
        ("a,b\r\n", "a,b\r\n"),
        ("good\rbad", "good\\u000dbad"),
        ("\x1b]0;title\x07", "\\u001b]0;title\\u0007"),
        ("\x9b31m", "\\u009b31m"),
        ("a\x00b\x08", "a\\u0000b\\u0008"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("caf\udce9.tif", "caf\\udce9.tif"),
    ],
)
def test_characters_that_a_terminal_obeys_are_shown(text: str, printed: str) -> None:
    under = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    assert Printed(under).write(text) == len(text)

    under.seek(0)
    assert under.read() == printed


def test_a_terminal_of_few_letters_gets_the_others_as_numbers() -> None:
    under = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="")
    Printed(under).write("3 \u2265 2")

    under.seek(0)
    assert under.read() == "3 \\u2265 2"


def test_names_of_files_reach_no_terminal_as_commands(patch_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["predict", str(patch_file)])
    main(["predict", str(patch_file.with_name("gone\x1b[2J.png"))])

    found = capsys.readouterr()
    assert not {"\x1b", "\u202e"} & set(found.out + found.err)


def test_an_error_says_what_the_system_says() -> None:
    class Slow(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(errno.EIO, "Input/output error")

        def fileno(self) -> int:
            return os.open(os.devnull, os.O_WRONLY)

    with pytest.raises(StorageError, match="Input/output error"):
        Printed(Slow()).write("x")


@pytest.mark.slow
@pytest.mark.parametrize("module", ["core.commands", "numpy", "pandas", "torch.nn", "core.bundle"])
def test_ctrl_c_while_modules_are_loaded_is_one_line(module: str) -> None:
    words = [sys.executable, "-X", "importtime", "-m", "core", "predict", "x.png"]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        timer = threading.Timer(60, process.kill)
        timer.start()
        for line in process.stderr:
            if f"{line.split('|')[-1].strip()}.".startswith(f"{module}."):
                break
        process.send_signal(signal.SIGINT)
        rest = [line.rstrip() for line in process.stderr if not line.startswith("import time:")]
        timer.cancel()

    assert (process.returncode, rest) == (130, ["interrupted"])
