"""Work in the background: its last word, its pace, and what is left of a process that was killed."""

import json
import os
from pathlib import Path

import pytest

from core import job as module
from core.errors import DataError, RunError
from core.job import Job, JobStatus, Pace
from core.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the module sees; set its only entry."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_follows_from_what_this_attempt_did(clock: list[float]) -> None:
    pace = Pace()
    assert pace.seconds_left(0.5) is None  # found finished by an earlier attempt
    clock[0] += 10
    assert pace.seconds_left(0.6) == pytest.approx(40)  # a tenth in 10 s, four tenths to go
    clock[0] += 30
    assert pace.seconds_left(0.9) == pytest.approx(10)
    assert pace.seconds_left(1.0) == 0


def test_a_job_that_ends_says_so(tmp_path: Path) -> None:
    job = Job(tmp_path / "job")
    assert job.status() == JobStatus("none")
    seen: list[JobStatus] = []

    def work(report: Progress) -> None:
        report(0.25)
        seen.append(job.status())

    assert job.work(work, every=0.0) == JobStatus("finished", 1.0)
    assert (seen[0].state, seen[0].share) == ("running", 0.25)
    assert job.status() == JobStatus("finished", 1.0)


def test_a_job_that_was_asked_to_end_ends_at_its_next_report(tmp_path: Path) -> None:
    job, shares = Job(tmp_path), []

    def work(report: Progress) -> None:
        for share in (0.1, 0.2, 0.3):
            if share == 0.2:
                job.request_stop()
            report(share)
            shares.append(share)

    assert job.work(work).state == "cancelled"
    assert shares == [0.1]
    assert not job.status().is_active


def test_a_failure_is_told_and_raised(tmp_path: Path) -> None:
    def fail(_report: Progress) -> None:
        raise DataError("There is no folder x.")

    with pytest.raises(DataError):
        Job(tmp_path).work(fail)
    assert Job(tmp_path).status() == JobStatus("failed", message="There is no folder x.")


def test_a_process_that_is_gone_without_a_word_is_lost(tmp_path: Path) -> None:
    job = Job(tmp_path)
    job.record_process(os.getpid())
    job.write(JobStatus("running", 0.4))
    assert job.status().state == "running"
    record = json.loads((tmp_path / "process.json").read_text())
    record["identity"] = "another process has its number now"
    (tmp_path / "process.json").write_text(json.dumps(record))
    assert (job.status().state, job.status().share) == ("lost", 0.4)


def test_what_is_at_work_is_not_started_twice(tmp_path: Path) -> None:
    job = Job(tmp_path)
    job.record_process(os.getpid())
    job.write(JobStatus("running"))
    with pytest.raises(RunError, match="being worked on already"):
        job.launch(["pack", "x"])
