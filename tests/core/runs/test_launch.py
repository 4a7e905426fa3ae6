"""Runs in processes of their own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.bundle import load_bundle
from core.errors import RunError
from core.runs import Status, TrainingConfig, create_run, kill, open_run, start, stop
from core.runs.launch import _started, launch
from core.runs.run import Run
from core.storage import portable


@pytest.fixture
def config(kaggle_folder: Callable[..., Path]) -> TrainingConfig:
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(90)})
    return TrainingConfig(data=(str(folder),), epochs=1, batch_size=16, device="cpu")


@pytest.fixture
def started() -> Iterator[list[Run]]:
    """Runs that are ended with the test, whatever happens in it."""
    runs: list[Run] = []
    yield runs
    for run in runs:
        kill(run)
    for process in _started:
        process.wait(timeout=30)


def _wait(run: Run, *states: str, seconds: float = 90) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = run.status().state
        if state in states:
            return state
        time.sleep(0.05)
    pytest.fail(f"still {run.status()} after {seconds} s, log: {run.log_tail()}")


def test_nothing_can_be_stopped_where_nothing_works(tmp_path: Path) -> None:
    run = create_run(TrainingConfig(), tmp_path / "run")
    run.write_status(Status(state="failed"))

    with pytest.raises(RunError, match="Nothing works on the run run; its state is failed"):
        stop(run)
    assert not run.stop_requested()
    kill(run)  # what is gone already is no error


def test_a_finished_run_is_not_launched_again(tmp_path: Path) -> None:
    run = create_run(TrainingConfig(), tmp_path / "run")
    run.write_status(Status(state="finished"))

    with pytest.raises(RunError, match="is finished; start a new one"):
        launch(run)


def test_a_run_that_is_worked_on_is_not_launched_again(tmp_path: Path) -> None:
    run = create_run(TrainingConfig(), tmp_path / "run")
    run.record_process(os.getpid())

    with pytest.raises(RunError, match="is being worked on already"):
        launch(run)


def test_killing_ends_the_process_and_those_that_it_started(tmp_path: Path) -> None:
    program = "import subprocess, sys, time; subprocess.Popen(['sleep', '60']); print('up', flush=True); time.sleep(60)"
    run = create_run(TrainingConfig(), tmp_path / "run")
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, **portable.detachment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        run.record_process(process.pid)
        both = [psutil.Process(process.pid), *psutil.Process(process.pid).children()]

        kill(run)

        gone, alive = psutil.wait_procs(both, timeout=10)
    assert (len(gone), alive) == (2, [])


@pytest.mark.slow
def test_a_started_run_is_detached_can_be_killed_and_goes_on(
    config: TrainingConfig, tmp_path: Path, started: list[Run]
) -> None:
    run = start(config.with_changes(epochs=500), tmp_path / "run")
    started.append(run)
    assert run.status().state == "starting"
    process = run.process()
    assert process is not None
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    with pytest.raises(RunError, match="is being worked on already"):
        launch(run)

    _wait(run, "running")
    while len(run.metrics()) < 1:
        time.sleep(0.05)
    kill(run)
    assert _wait(run, "lost", seconds=10) == "lost"
    assert not psutil.pid_exists(process.pid) or process.status() == psutil.STATUS_ZOMBIE
    done = len(run.metrics())

    launch(open_run(run.path))
    _wait(run, "running")
    while len(run.metrics()) <= done:
        time.sleep(0.05)
    assert f"of epoch {done + 1}" in run.log_tail() or "Going on at step" in run.log_path.read_text()
    stop(run)
    assert _wait(run, "stopped") == "stopped"
    assert run.metrics()["epoch"].tolist() == list(range(1, len(run.metrics()) + 1))
    psutil.wait_procs([process for process in [run.process()] if process is not None], timeout=30)
    assert not run.is_alive()


@pytest.mark.slow
def test_a_started_run_finishes_on_its_own(config: TrainingConfig, tmp_path: Path, started: list[Run]) -> None:
    run = start(config, tmp_path / "run")
    started.append(run)

    assert _wait(run, "finished", "failed", "lost") == "finished"

    assert load_bundle(run.bundle_path).card.model == "notebook-cnn"
    assert "Finished; the bundle is" in run.log_tail()


def test_a_process_that_has_said_its_last_word_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run(TrainingConfig(), tmp_path / "run")
    run.write_status(Status(state="stopped"))
    run.request_stop()
    looked = [True, True, True]  # its process is still there when it is first looked for
    monkeypatch.setattr(Run, "is_alive", lambda _: bool(looked and looked.pop()))
    monkeypatch.setattr("core.job.subprocess.Popen", lambda *_, **__: psutil.Process())
    monkeypatch.setattr("core.runs.launch._started", [])

    launch(run)

    assert looked == []
    assert not run.stop_requested()
    assert json.loads((run.path / "process.json").read_text())["pid"] == os.getpid()


def test_a_resumed_run_is_starting_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user saw: after Resume the page went on to say "Stopped", and watched nothing."""
    run = create_run(TrainingConfig(), tmp_path / "run")
    run.write_status(Status(state="stopped", message="Stopped on request; it can be resumed.").now())
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr("core.runs.launch.detached", lambda _command, _log: sleeper)
    try:
        launch(run)
        assert (run.status().state, run.status().message) == ("starting", "")
    finally:
        sleeper.kill()
        sleeper.wait()
