"""One run at a time on a device."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.training import Run, Status, TrainingConfig, create_run, stop, turn
from core.training.execute import execute
from core.training.turn import locks_home

HOLD = """
import sys
from pathlib import Path
from core.training.run import Run
from core.training.turn import turn
with turn(Run(Path("first")), "cpu", wait=print):
    print("held", flush=True)
    sys.stdin.read()
"""
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def busy(fresh_home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that works on the CPU."""
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        yield other
        other.kill()


def _until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _waiting(folder: Path) -> tuple[Run, threading.Thread]:
    run = create_run(TrainingConfig(device="cpu", data=("/no/such/folder",)), folder)
    run.record_process(os.getpid())

    def work() -> None:
        with pytest.raises(Exception, match="There is no folder"):
            execute(run)

    thread = threading.Thread(target=work)
    thread.start()
    return run, thread


def test_a_second_run_waits_and_starts_when_the_first_is_killed(busy: subprocess.Popen[bytes], tmp_path: Path) -> None:
    run, thread = _waiting(tmp_path / "second")
    _until(lambda: run.status().state == "queued")
    assert run.status().stage == "Waiting for the CPU, where first is at work"
    assert run.status().is_active

    busy.kill()  # no chance to let go

    thread.join(30)
    assert run.status().state == "failed"  # it has started: its data is what is missing
    assert "There is no folder" in run.status().message


def test_a_waiting_run_can_be_stopped(busy: subprocess.Popen[bytes], tmp_path: Path) -> None:
    run = create_run(TrainingConfig(device="cpu"), tmp_path / "second")
    run.record_process(os.getpid())
    thread = threading.Thread(target=execute, args=(run,))
    thread.start()
    _until(lambda: run.status().state == "queued")

    stop(run)

    thread.join(30)
    assert run.status().state == "stopped"
    assert not run.checkpoint_path.exists()
    assert busy.poll() is None


def test_a_waiting_run_that_was_asked_to_stop_says_so(tmp_path: Path) -> None:
    run = create_run(TrainingConfig(), tmp_path / "run")
    run.write_status(Status(state="queued"))
    run.record_process(os.getpid())
    run.request_stop()

    assert run.status().state == "stopping"


def test_a_free_device_is_had_at_once_and_let_go(fresh_home: Path, tmp_path: Path) -> None:
    run = create_run(TrainingConfig(), tmp_path / "run")
    waited: list[str] = []

    for _ in range(2):
        with turn.turn(run, "cpu", wait=waited.append):
            assert (locks_home() / "cpu.txt").read_text() == "run"

    assert waited == []
