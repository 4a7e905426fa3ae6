"""The run directory: what its files say, and what is concluded when nobody is there to say it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from core import work_folder
from core.errors import RunError, StorageError
from core.runs import (
    Status,
    TrainingConfig,
    create_run,
    differing_settings,
    list_runs,
    open_run,
    summarise_run,
)
from core.runs import run as run_module
from core.runs.run import Run
from core.runs.tables import METRICS_COLUMNS
from core.storage import atomic
from core.storage.home import runs_home
from core.training.checkpoint import load_checkpoint, save_checkpoint

CONFIG = TrainingConfig(epochs=3)


def _dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def _process(run: Run, **changes: Any) -> None:
    record = {"pid": os.getpid(), "created": psutil.Process().create_time(), **changes}
    (run.path / "process.json").write_text(json.dumps(record))


def test_a_new_run_has_its_settings_and_waits(run: Run) -> None:
    assert run.config() == CONFIG
    assert open_run(run.path) == run
    assert run.metrics().empty
    assert tuple(run.metrics().columns) == METRICS_COLUMNS
    assert run.log_tail() == ""
    written = json.loads((run.path / "status.json").read_text())
    assert (written["state"], written["epochs"]) == ("starting", 3)


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    assert create_run(CONFIG, tmp_path).path == tmp_path


def test_a_run_never_overwrites_another_one(run: Run) -> None:
    with pytest.raises(RunError, match=r"is not empty, .* To go on with it, use --resume. Choose a new folder"):
        create_run(TrainingConfig(epochs=9), run.path)

    assert run.config() == CONFIG


def test_a_folder_of_something_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").touch()

    with pytest.raises(RunError, match=r"is not empty, and a run never overwrites another one\. Choose a new folder"):
        create_run(CONFIG, tmp_path)
    with pytest.raises(RunError, match=r"thesis.docx is not empty"):
        create_run(CONFIG, tmp_path / "thesis.docx")


def test_two_runs_in_the_same_second_get_different_folders(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(run_module.datetime):  # type: ignore[misc, name-defined]
        @classmethod
        def now(cls) -> Any:
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(run_module, "datetime", Clock)

    runs = [create_run(CONFIG.with_changes(preset="my preset/x")) for _ in range(3)]

    stem = "20260102-030405-my-preset-x"
    assert [each.name for each in runs] == [stem, f"{stem}-2", f"{stem}-3"]
    assert {each.name for each in list_runs()} == {each.name for each in runs}


def test_a_home_that_cannot_hold_runs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NODESCOPE_HOME", str(tmp_path / "file"))

    with pytest.raises(StorageError, match=re.escape(f"The run folder {tmp_path}/file/runs cannot be made")):
        create_run(CONFIG)


def test_runs_are_listed_newest_first_whatever_they_are_called_and_other_folders_are_not(fresh_home: Path) -> None:
    assert list_runs() == []
    for made, name in ((3, "20240101-c"), (2, "mine-fold-1"), (4, "a"), (2, "mine-fold-2")):
        create_run(TrainingConfig(), runs_home() / name)
        os.utime(runs_home() / name / "config.json", (made, made))
    (runs_home() / "zz").mkdir()
    (runs_home() / "zz.txt").write_text("no run")

    assert [each.name for each in list_runs()] == ["a", "20240101-c", "mine-fold-2", "mine-fold-1"]


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is no run: config.json is missing"):
        open_run(tmp_path)


def test_damaged_files_are_named(run: Run) -> None:
    (run.path / "status.json").write_text('{"state": "runn')

    with pytest.raises(RunError, match=r"status.json of the run run is damaged"):
        run.status()


def test_a_run_whose_process_is_there_is_running(run: Run) -> None:
    run.write_status(Status(state="running", step=3, steps=12))
    run.record_process(os.getpid())

    assert run.is_alive()
    assert (run.status().state, run.status().progress) == ("running", 0.25)


@pytest.mark.parametrize("state", ["starting", "running", "stopping"])
def test_a_run_whose_process_is_dead_is_lost(run: Run, state: str) -> None:
    run.write_status(Status(state=state, step=3))
    _process(run, pid=_dead_pid())

    assert not run.is_alive()
    assert (run.status().state, run.status().step) == ("lost", 3)
    assert json.loads((run.path / "status.json").read_text())["state"] == state  # concluded, never written


@pytest.mark.parametrize("state", ["finished", "failed", "stopped"])
def test_a_last_word_stands_without_a_process(run: Run, state: str) -> None:
    run.write_status(Status(state=state, message="word"))
    _process(run, pid=_dead_pid())

    assert (run.status().state, run.status().message) == (state, "word")


def test_a_later_process_with_the_same_pid_is_another_one(run: Run) -> None:
    run.write_status(Status(state="running"))
    _process(run, created=psutil.Process().create_time() - 3600)

    assert not run.is_alive()
    assert run.status().state == "lost"


def test_a_zombie_is_dead(run: Run) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.read()  # its end; the process is not waited for yet
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        run.write_status(Status(state="running"))
        run.record_process(child.pid)

        assert psutil.pid_exists(child.pid)
        assert run.status().state == "lost"
    finally:
        child.communicate()


@pytest.mark.parametrize("text", ["", "{", "[]x", '{"pid": 1}'])
def test_a_damaged_process_file_is_no_process(run: Run, text: str) -> None:
    (run.path / "process.json").write_text(text)

    assert run.process() is None


@pytest.mark.parametrize("state", ["starting", "queued", "running"])
def test_a_request_to_stop_shows_while_the_run_goes_on(run: Run, state: str) -> None:
    run.write_status(Status(state=state))
    run.record_process(os.getpid())
    assert not run.stop_requested()

    run.request_stop()
    assert run.status().state == "stopping"

    run.withdraw_stop()
    run.withdraw_stop()  # nothing to withdraw is no error
    assert run.status().state == state


def test_a_request_to_stop_says_nothing_of_a_finished_run(run: Run) -> None:
    run.write_status(Status(state="finished"))
    run.request_stop()

    assert run.status().state == "finished"


def test_the_status_of_a_newer_version_is_read(run: Run) -> None:
    value = {**Status(state="finished", step=4).to_json(), "mood": "good"}
    (run.path / "status.json").write_text(json.dumps(value))

    assert run.status() == Status(state="finished", step=4)


def test_metrics_come_back_to_the_last_bit(run: Run) -> None:
    rows = [dict.fromkeys(METRICS_COLUMNS, 0.1 + 0.2) | {"epoch": number} for number in (1, 2)]

    run.write_metrics(rows)

    assert (run.path / "metrics.csv").read_text().splitlines()[0] == ",".join(METRICS_COLUMNS)
    assert run.metrics()["valid_loss"].tolist() == [0.1 + 0.2] * 2


def test_the_end_of_the_log(run: Run) -> None:
    run.log_path.write_bytes(b"\xff\n" * 50_000 + "letzte Zeile µ\n".encode())

    assert run.log_tail(lines=2) == "\ufffd\nletzte Zeile µ"


class Hasty(work_folder.FileLock):  # type: ignore[misc, name-defined]
    """A lock that does not wait five seconds."""

    def acquire(self, **options: Any) -> Any:
        return super().acquire(**{**options, "timeout": 0.05})


def test_two_processes_on_one_run_and_the_second_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_folder, "FileLock", Hasty)
    program = (
        "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire(); "
        "print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program, run.path / ".lock"], **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match=r"Another process works on the run run. Stop it first"):
            run.lock()
        other.kill()  # no chance to let go
        other.wait()

        run.lock().release()


def test_a_full_disk_leaves_the_earlier_checkpoint(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(run.checkpoint_path, {"step": 1})

    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(StorageError, match=r"checkpoint could not be written to .* Free some space and resume"):
            save_checkpoint(run.checkpoint_path, {"step": 2})

    assert load_checkpoint(run.checkpoint_path, torch.device("cpu")) == {"step": 1}
    assert not list(run.path.glob(".checkpoint*"))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 half a zip", b"text"])
def test_a_damaged_checkpoint_is_said(run: Run, data: bytes) -> None:
    run.checkpoint_path.write_bytes(data)

    with pytest.raises(RunError, match=r"checkpoint.pt is damaged"):
        load_checkpoint(run.checkpoint_path, torch.device("cpu"))


def test_settings_are_read_once_while_the_file_is_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    read = _count_reads(monkeypatch, "config.json")

    assert [run.config() for _ in range(3)] == [CONFIG] * 3
    assert Run(run.path).config() == CONFIG  # another page that looks at the same run
    assert len(read) == 1

    atomic.write_json(run.path / "config.json", CONFIG.with_changes(epochs=4).to_json())
    assert run.config().epochs == 4
    (run.path / "config.json").unlink()
    with pytest.raises(RunError, match=r"is no run: config.json is missing"):
        run.config()


def test_a_list_of_runs_reads_the_settings_of_each_once(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [create_run(CONFIG) for _ in range(3)]
    read = _count_reads(monkeypatch, "config.json")

    for _ in range(2):
        summaries = [summarise_run(run) for run in list_runs()]
        differing_settings(list_runs())

    assert len(summaries) == 3
    assert sorted(read) == sorted(run.path / "config.json" for run in made)


def _count_reads(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Path]:
    """Return the list to which every reading of a file of this name is added from now on."""
    read: list[Path] = []
    original = Path.read_text

    def counted(self: Path, *arguments: Any, **options: Any) -> str:
        if self.name == name:
            read.append(self)
        return original(self, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", counted)
    return read


def test_a_step_curve_that_is_being_written_has_whole_lines_only(run: Run) -> None:
    assert run.steps().empty
    run.append_steps([{"step": 20, "loss": 0.5}])
    run.append_steps([{"step": 40, "loss": 0.25}, {"step": 52, "loss": 0.125}])
    assert (run.path / "steps.csv").read_text() == "step,loss\n20,0.5\n40,0.25\n52,0.125\n"
    with (run.path / "steps.csv").open("a") as file:
        file.write("60,0.1")
    assert run.steps().to_dict("list") == {"step": [20, 40, 52], "loss": [0.5, 0.25, 0.125]}
    (run.path / "steps.csv").write_text("step,loss\n20,high\n")
    with pytest.raises(RunError, match=r"steps.csv of the run run is damaged: loss holds something else than numbers"):
        run.steps()
