"""The queue of a computer with several GPUs, which are pretended."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from core.device import resolve_device
from core.runs import Run, Status, TrainingConfig, create_run, device_queue
from core.runs.device_queue import Queue, device_slot
from core.training.preflight import job as preflight_job

CPU, FIRST, SECOND = (torch.device(name) for name in ("cpu", "cuda:0", "cuda:1"))


@pytest.fixture(autouse=True)
def broken(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[torch.device, str]:
    """Two GPUs, and what is wrong with them."""
    faults: dict[torch.device, str] = {}
    found = {"auto": [FIRST, SECOND], "cuda": [FIRST], "cuda:1": [SECOND], "cpu": [CPU]}
    monkeypatch.setattr(device_queue, "candidates", found.__getitem__)
    monkeypatch.setattr(device_queue, "fault", lambda device: faults.get(device, ""))
    monkeypatch.setattr(device_queue, "resolve_device", lambda: CPU)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=f"u{device.index}"))
    return faults


def _run(folder: Path, started: float = 1.0) -> Run:
    run = create_run(TrainingConfig(), folder)
    run.write_status(Status(state="starting", updated=started))
    run.record_process(os.getpid())
    return run


def _is_free(device: torch.device) -> bool:
    lock = Queue.of(device).take()
    if lock is not None:
        lock.release()
    return lock is not None


class _Gone(Exception):  # noqa: N818
    """Whoever waits gives up."""


def _give_up() -> None:
    raise _Gone


def _waits(run: Run, device: str, gpus: int = 1) -> str:
    """Return what a run says that does not get its device at once; empty if it gets it."""
    said: list[str] = []

    def give_up() -> None:
        if said:
            raise _Gone

    with suppress(_Gone), device_slot(run, device, gpus=gpus, wait=said.append, give_up=give_up):
        return ""
    return said[0]


def test_two_runs_that_leave_the_choice_work_side_by_side_and_a_third_waits(tmp_path: Path) -> None:
    one, two, three = (_run(tmp_path / name) for name in ("one", "two", "three"))

    with device_slot(one, "auto", wait=lambda _: None):
        assert resolve_device() == FIRST
        with device_slot(two, "auto", wait=lambda _: None):
            assert resolve_device() == SECOND
            assert _waits(three, "auto") == "Next in line for the GPU, where one is at work"
            assert not _has_tickets(FIRST)
            assert not _has_tickets(SECOND)
        assert _is_free(SECOND)
    assert resolve_device() == CPU


def _has_tickets(device: torch.device) -> bool:
    return bool(list(Queue.of(device).tickets_path.iterdir()))


def test_a_run_that_waits_for_one_gpu_leaves_the_other_to_others(tmp_path: Path) -> None:
    with device_slot(_run(tmp_path / "busy"), "cuda:1", wait=lambda _: None):
        assert "where busy is at work" in _waits(_run(tmp_path / "waiting"), "cuda:1")
        assert _waits(_run(tmp_path / "any"), "auto") == ""
        assert _waits(_run(tmp_path / "first"), "cuda") == ""


def test_a_run_in_two_processes_takes_both_gpus_or_none(tmp_path: Path) -> None:
    pair = _run(tmp_path / "pair")

    with device_slot(pair, "cuda", gpus=2, wait=lambda _: None):
        assert not _is_free(FIRST)
        assert not _is_free(SECOND)
    with device_slot(_run(tmp_path / "busy"), "cuda:1", wait=lambda _: None):
        assert _waits(pair, "cuda", gpus=2)
        assert _is_free(FIRST)
    assert _is_free(SECOND)


def test_who_waits_for_two_is_served_before_who_came_later(tmp_path: Path) -> None:
    served: list[str] = []

    def work(name: str, gpus: int, started: float, waiting: threading.Event) -> None:
        with device_slot(
            _run(tmp_path / name, started), "cuda", gpus=gpus, wait=lambda _: waiting.set(), give_up=lambda: None
        ):
            served.append(name)
            time.sleep(2 * device_queue.POLL_SECONDS)

    threads = []
    with device_slot(_run(tmp_path / "busy", 0.5), "cuda", wait=lambda _: None):
        for name, gpus, started in (("later", 1, 3.0), ("pair", 2, 2.0)):
            waiting = threading.Event()
            threads.append(threading.Thread(target=work, args=(name, gpus, started, waiting)))
            threads[-1].start()
            assert waiting.wait(20)
    for thread in threads:
        thread.join(20)

    assert served == ["pair", "later"]


def test_where_the_gpus_run_nothing_the_cpu_is_waited_for(tmp_path: Path, broken: dict[torch.device, str]) -> None:
    broken |= {FIRST: "too old", SECOND: "too old"}

    with device_slot(_run(tmp_path / "one"), "auto", wait=lambda _: None):
        assert not _is_free(CPU)
        assert _is_free(FIRST)
        assert resolve_device() == CPU


def test_a_measurement_waits_for_a_gpu_and_not_for_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight_job, "candidates", lambda name: {"cuda": [FIRST], "cpu": [CPU]}[name])
    job = preflight_job.Preflight(tmp_path / "job")

    busy = device_slot(_run(tmp_path / "busy"), "cuda", wait=lambda _: None)
    with busy, pytest.raises(_Gone), job._turn("cuda", _give_up):
        pass
    with job._turn("cpu", _give_up):
        assert _is_free(CPU)
