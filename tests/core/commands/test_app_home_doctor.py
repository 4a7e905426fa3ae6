"""The commands about Nodescope itself."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

from core.commands import app, doctor, main
from core.errors import DataError
from core.runs import TrainingConfig, create_run
from core.storage import atomic
from core.storage.home import home, runs_home
from core.storage.home_archive import import_home
from tests.core.commands.conftest import ROOT


def test_a_report_says_what_works_and_holds_no_path_and_no_name(
    fresh_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PREDICTED", 16)
    create_run(TrainingConfig(), runs_home() / "mrs-miller")
    main(["doctor", "--device", "cpu"])

    text = capsys.readouterr().out
    for each in ("Nodescope", "torch", "locks", "predicting", "training", "explaining"):
        assert each in text
    assert text.count("works") == 5
    assert "mrs-miller" not in text
    assert str(fresh_home) not in text
    assert str(Path.home()) not in text


def test_what_needs_attention_is_status_1_with_what_to_do(
    fresh_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PREDICTED", 16)
    monkeypatch.setattr(doctor.portable, "free_space", lambda _: 1000)
    (fresh_home / "x").mkdir(parents=True)

    assert main(["doctor", "--device", "cpu", "--json"]) == 1

    found = {each["about"]: each for each in json.loads(capsys.readouterr().out)}
    assert found["disk"]["remedy"].startswith("free some space")


def test_a_home_that_cannot_be_written_is_said_without_its_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PREDICTED", 16)
    (tmp_path / "secret-place").write_text("a file")
    monkeypatch.setenv("NODESCOPE_HOME", str(tmp_path / "secret-place"))

    assert main(["doctor", "--device", "cpu"]) == 1

    text = capsys.readouterr().out
    assert "! writing:" in text
    assert "secret-place" not in text


def test_a_home_goes_to_another_computer_and_overwrites_nothing(
    fresh_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(TrainingConfig(epochs=7), runs_home() / "first")
    run.record_process(1)
    atomic.write_text(home() / "packs" / "a-1" / "decisions.csv", "id,decision\n")
    for name in ("packs/a-1/patches-1.npy", "packs/a-1/about.json", "demo/v1/patches.npy", "locks/actions.lock"):
        atomic.write_text(home() / name, "x")
    assert main(["home", "export", str(tmp_path / "all.zip")]) == 0
    assert "Left out: <1 MB of packs and the demo set" in capsys.readouterr().out
    assert sorted(zipfile.ZipFile(tmp_path / "all.zip").namelist()) == [
        "packs/a-1/decisions.csv", "runs/first/config.json", "runs/first/status.json",
    ]  # fmt: skip

    monkeypatch.setenv("NODESCOPE_HOME", str(tmp_path / "other"))
    create_run(TrainingConfig(), runs_home() / "second")
    assert main(["home", "import", str(tmp_path / "all.zip")]) == 0
    create_run(TrainingConfig(epochs=3), runs_home() / "third")
    assert import_home(tmp_path / "all.zip") == ([], ["packs/a-1", "runs/first"])

    assert main(["runs", "show", "first"]) == 0
    assert sorted(path.name for path in runs_home().iterdir()) == ["first", "second", "third"]
    assert [path.name for path in home().iterdir() if path.name.startswith(".import")] == []
    capsys.readouterr()
    assert main(["home", "show", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["bytes"]) == {".private", "packs", "runs"}


def test_a_zip_that_leads_elsewhere_stays_within_the_home(fresh_home: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../../outside.txt", "x")
        archive.writestr("/etc/outside.txt", "x")
    import_home(tmp_path / "bad.zip")

    assert not (tmp_path / "outside.txt").exists()
    assert sorted(path.name for path in fresh_home.rglob("outside.txt")) == ["outside.txt", "outside.txt"]


@pytest.mark.parametrize(("content", "said"), [(None, "There is no file"), (b"PK no zip", "or damaged")])
def test_what_is_no_exported_home_is_said(fresh_home: Path, tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=said):
        import_home(tmp_path / "a.zip")


def test_options_of_streamlit_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    class Server:
        def __init__(self, command: list[str]):
            started.append(command)

        def wait(self) -> int:
            return 3

    monkeypatch.setattr(app.subprocess, "Popen", Server)
    assert main(["app", "--port", "8600", "--no-browser", "--server.baseUrlPath", "scope"]) == 3

    assert started[0][1:5] == ["-m", "streamlit", "run", str(ROOT / "streamlit_app.py")]
    assert started[0][5:] == [
        "--server.baseUrlPath", "scope", "--server.port", "8600", "--server.headless", "true",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_viewer_answers_from_another_folder_and_ends_with_the_command(fresh_home: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from nodescope.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "app", "--port", str(port), "--no-browser"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(240):
                try:
                    with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2) as answer:
                        assert answer.read() == b"ok"
                        break
                except OSError:
                    time.sleep(0.25)
            else:
                pytest.fail("the viewer did not answer")
        finally:
            process.terminate()
        process.wait(20)
        with pytest.raises(OSError, match=r".*"):
            urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2)
