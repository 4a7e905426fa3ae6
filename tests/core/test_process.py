"""Who works on a run: whatever the clock says, and wherever the process lives."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.errors import RunError
from core.process import identity, place
from core.runs import Run, TrainingConfig, create_run, stop, stop_and_wait
from core.runs.launch import kill, launch
from core.runs.status import Status
from core.runs.summary import summarise_run

HOLDER = """
import os, sys, time
from pathlib import Path
from core.runs import open_run
run = open_run(Path(sys.argv[1]))
with run.lock():
    run.record_process(os.getpid())
    print("held", flush=True)
    while not run.stop_requested():
        time.sleep(0.05)
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = create_run(TrainingConfig(epochs=3), tmp_path / "run")
    made.write_status(Status(state="running"))
    return made


@pytest.fixture
def holder(run: Run) -> Iterator[subprocess.Popen[str]]:
    """Another process that works on the run."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(run.path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def _record(run: Run, **changes: str | int | float) -> None:
    path = run.path / "process.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_process_keeps_its_identity_when_the_clock_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity(os.getpid())
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: time.time() + 3600)
    assert before is not None
    if sys.platform == "linux":  # elsewhere the system keeps the start time itself
        assert identity(os.getpid()) == before


def test_a_live_run_outlasts_a_step_of_the_clock(
    run: Run, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: 3.0)

    assert run.status().state == "running"
    with pytest.raises(RunError, match="is being worked on already"):
        launch(run)
    assert json.loads((run.path / "process.json").read_text())["pid"] == holder.pid
    assert stop_and_wait(run, grace=10)
    assert holder.wait(60) == 0


@pytest.mark.parametrize("damage", ["", "[]", '{"pid": "x"}', '{"pid": 1e400}', '{"pid": 4, "created": null}', "gone"])
def test_the_lock_speaks_for_a_process_whose_record_is_lost(
    run: Run, holder: subprocess.Popen[str], damage: str
) -> None:
    path = run.path / "process.json"
    path.unlink() if damage == "gone" else path.write_text(damage)

    assert run.process() is None
    assert run.status().state == "running"
    stop(run)
    holder.wait(60)
    assert run.status().state == "lost"


@pytest.mark.parametrize("changes", [{"host": "node7", "boot": "other"}, {"namespace": "pid:[1]"}])
def test_a_run_elsewhere_is_running_there_and_stopped_by_its_file(
    run: Run, holder: subprocess.Popen[str], changes: dict[str, str]
) -> None:
    _record(run, **changes)
    node = changes.get("host", place()["host"])

    assert (run.process(), run.elsewhere(), run.status().state) == (None, node, "running")
    assert summarise_run(run).message == f"Running on {node}."
    kill(run)  # a number of another place means another process here
    assert holder.poll() is None
    psutil.Process(holder.pid).suspend()  # so that it cannot end in the meantime
    with pytest.raises(RunError, match=f"works on {node} and has not ended within 0 s"):
        stop_and_wait(run, grace=0)
    psutil.Process(holder.pid).resume()
    holder.wait(60)  # it saw the request
    assert (run.elsewhere(), run.status().state) == ("", "lost")


def test_a_record_from_before_this_computer_was_started_anew_is_of_a_dead_process(run: Run) -> None:
    run.record_process(os.getpid())
    _record(run, boot="an earlier one", identity="an earlier one:17")
    assert run.status().state == "lost"


def test_a_record_of_an_earlier_version_still_counts(run: Run) -> None:
    record = {"pid": os.getpid(), "created": psutil.Process().create_time()}
    (run.path / "process.json").write_text(json.dumps(record))
    assert run.is_alive()
    (run.path / "process.json").write_text(json.dumps({**record, "created": record["created"] - 3600}))
    assert not run.is_alive()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may make a namespace")
def test_a_run_in_another_namespace_of_process_numbers_is_seen(run: Run) -> None:
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", HOLDER, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "held\n":
            pytest.skip("this system makes no namespaces")
        assert json.loads((run.path / "process.json").read_text())["pid"] < 10
        assert (run.elsewhere(), run.status().state) == (place()["host"], "running")
        stop(run)
        assert process.wait(10) == 0
    assert run.status().state == "lost"
