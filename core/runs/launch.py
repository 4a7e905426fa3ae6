"""Runs in a process of their own, which outlives the page that started it."""

import subprocess
import time
from pathlib import Path

from core.errors import RunError
from core.job import detached
from core.runs.config import TrainingConfig
from core.runs.run import Run, create_run
from core.runs.status import Status
from core.storage import atomic, portable
from core.storage.lock import action_lock

GRACE_SECONDS = 20.0
"""Time from the request to stop until a run may be killed; a step and a checkpoint take seconds."""

LAST_WORD_SECONDS = 5.0
"""How long a process may take to end after its last status."""

TOGETHER = "launch.json"
"""The file in a run's folder that says how many processes train it together; without it, one does."""

_started: list[subprocess.Popen[bytes]] = []
# Children of this process: each is polled again later, so that none stays behind as a zombie.


def start(config: TrainingConfig, path: Path | None = None, *, processes: int = 1) -> Run:
    """Make a run and start a detached process that works on it; return at once.

    Args:
        config: its settings.
        path: its folder; None makes one.
        processes: that train it together, a GPU each; whoever resumes it from a page starts as many.

    Raises:
        RunError: the folder is taken.
        StorageError: it cannot be made.
    """
    run = create_run(config, path)
    if processes > 1:
        atomic.write_json(run.place(TOGETHER), {"processes": processes})
    launch(run)
    return run


def launch(run: Run) -> None:
    """Start a detached process that works on an existing run, from its checkpoint if there is one.

    Raises:
        RunError: a process works on it already, it is finished, or it is not there any more.
        StorageError: its folder cannot be written.
    """
    # Before the lock is taken: nobody else's start or deletion should wait for the end of this process.
    _let_end(run)
    with action_lock():
        run.check_exists()
        if run.is_alive():
            raise RunError(f"The run {run.name} is being worked on already.")
        status = _last_word(run)
        if status.state == "finished":
            raise RunError(f"The run {run.name} is finished; start a new one to train longer.")
        run.sweep()
        # A request from the session before would end the new process at its first step.
        run.withdraw_stop()
        _started[:] = [each for each in _started if each.poll() is None]
        # Written before the process can write it, so that a page shows at once that the run goes on.
        run.write_status(status.now(state="starting", stage="Starting its process", message=""))
        together = run.read_json(TOGETHER)
        more = ["--processes", str(together.get("processes", 1))] if together else []
        process = detached(["train", "--run-dir", str(run.path), "--resume", "--quiet", *more], run.log_path)
        _started.append(process)
        # The process records itself too, but only after seconds of imports; a second click must find it before
        # the lock is free.
        run.record_process(process.pid)


def _let_end(run: Run) -> None:
    """Wait for a process that has written its last status and is about to end."""
    deadline = time.monotonic() + LAST_WORD_SECONDS
    while run.is_alive() and not _last_word(run).is_active and time.monotonic() < deadline:
        time.sleep(0.05)


def _last_word(run: Run) -> Status:
    """Return the run's status; a fresh one where it is damaged, because a run goes on from its checkpoint."""
    try:
        return run.status()
    except RunError:
        return Status(epochs=run.config().epochs)


def stop(run: Run) -> None:
    """Ask the run to finish its step, save its state and end.

    Raises:
        RunError: nothing works on it.
    """
    if not run.is_alive():
        raise RunError(f"Nothing works on the run {run.name}; its state is {run.status().state}.")
    run.request_stop()


def may_be_killed(run: Run) -> bool:
    """Whether the stop of the run was requested, it has had its time, and is still there."""
    seconds = run.seconds_since_stop()
    return seconds is not None and seconds > GRACE_SECONDS and run.process() is not None


def stop_and_wait(run: Run, *, grace: float = GRACE_SECONDS) -> bool:
    """Ask the run to stop, wait for its end, and kill it when `grace` seconds are over.

    Returns:
        Whether it ended by itself.

    Raises:
        RunError: nothing works on it, or it does not end and its process is not on this computer.
    """
    stop(run)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline:
        if not run.is_alive():
            return True
        time.sleep(0.1)
    if run.process() is None and run.is_alive():
        node = run.elsewhere() or "another computer"
        raise RunError(
            f"The run {run.name} works on {node} and has not ended within {grace:g} s. It was asked to stop; only "
            f"{node} can kill its process."
        )
    kill(run)
    return False


def kill(run: Run) -> None:
    """End the run's process and its children at once; it can be resumed from its last checkpoint."""
    process = run.process()
    if process is not None:
        portable.kill(process)
