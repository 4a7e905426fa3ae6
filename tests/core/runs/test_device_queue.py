"""One run at a time on a device."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from core.runs import Run, Status, TrainingConfig, create_run, device_queue, stop
from core.runs.device_queue import Queue, locks_home
from core.training.execute import execute

HOLD = """
import sys
from pathlib import Path
from core.runs import TrainingConfig, create_run
from core.runs.device_queue import device_slot
with device_slot(create_run(TrainingConfig(), Path(sys.argv[1])), "cpu", wait=lambda words: print(words, flush=True)):
    print("held", flush=True)
    sys.stdin.read()
"""
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def busy(fresh_home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that works on the CPU."""
    command = [sys.executable, "-c", HOLD, str(fresh_home / "first")]
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
    assert run.status().stage == "Next in line for the CPU, where first is at work"
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
        with device_queue.device_slot(run, "cpu", wait=waited.append):
            assert (locks_home() / "cpu.txt").read_text() == "run"

    assert waited == []


def _aged(folder: Path, seconds: float) -> Run:
    """A run that was started so many seconds after 1970."""
    run = create_run(TrainingConfig(), folder)
    run.write_status(Status(state="starting", updated=seconds))
    run.record_process(os.getpid())
    return run


def test_who_was_started_first_is_served_first_whoever_looks_first(
    busy: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    queue = Queue.of(torch.device("cpu"))
    tickets = {name: queue.draw(_aged(tmp_path / name, when)) for name, when in (("c", 30), ("a", 10), ("b", 20))}

    assert queue.ahead(tickets["c"]) == ["a", "b"]
    assert queue.ahead(tickets["b"]) == ["a"]
    assert queue.ahead(tickets["a"]) == []
    assert queue.take() is None
    queue.give_back(tickets["a"])
    assert queue.ahead(tickets["c"]) == ["b"]


def test_the_queue_is_served_in_order(busy: subprocess.Popen[bytes], tmp_path: Path) -> None:
    served: list[str] = []
    said: dict[str, list[str]] = {"late": [], "early": []}

    def work(run: Run) -> None:
        with device_queue.device_slot(run, "cpu", wait=said[run.name].append):
            served.append(run.name)
            time.sleep(2 * device_queue.POLL_SECONDS)  # long enough for the other one to check

    threads = []
    for name, when in (("late", 2.0), ("early", 1.0)):
        threads.append(threading.Thread(target=work, args=(_aged(tmp_path / name, when),)))
        threads[-1].start()
        _until(lambda name=name: bool(said[name]))
    _until(lambda: said["late"][-1] == "Number 2 in the queue for the CPU, where first is at work")
    busy.kill()
    for thread in threads:
        thread.join(30)

    assert served == ["early", "late"]
    assert said["early"][-1] == "Next in line for the CPU, where first is at work"
    assert list(Queue.of(torch.device("cpu")).tickets_path.iterdir()) == []


def test_a_waiter_that_is_killed_leaves_the_queue(
    busy: subprocess.Popen[bytes], fresh_home: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", HOLD, str(fresh_home / "dying")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as dying:
        assert dying.stdout is not None
        assert dying.stdout.readline() == b"Next in line for the CPU, where first is at work\n"
        queue = Queue.of(torch.device("cpu"))
        ticket = queue.draw(create_run(TrainingConfig(), tmp_path / "behind"))
        assert queue.ahead(ticket) == ["dying"]
        dying.kill()  # no chance to give its ticket back
        dying.wait()

        assert queue.ahead(ticket) == []
        assert [path.name for path in queue.tickets_path.iterdir()] == [ticket.path.name]
        queue.give_back(ticket)


def test_two_runs_of_one_name_and_time_have_two_tickets(fresh_home: Path, tmp_path: Path) -> None:
    queue = Queue.of(torch.device("cpu"))
    first, second = (queue.draw(_aged(tmp_path / folder / "same", 5.0)) for folder in ("one", "two"))

    assert queue.ahead(first) == []
    assert queue.ahead(second) == ["same"]


def test_each_gpu_has_a_queue_of_its_own(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {0: "aaaa", 1: "bbbb"}
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=made[device.index or 0])
    )
    queues = [Queue.of(torch.device("cuda", index)) for index in (0, 1)]

    assert [queue.name for queue in queues] == ["cuda-aaaa", "cuda-bbbb"]
    held = queues[0].take()
    assert held is not None
    assert queues[0].take() is None
    assert queues[1].take() is not None
    assert queues[1].describe(0) == "Next in line for the GPU"
