"""Pieces of work, and the one loop that carries them out, wherever that is.

A piece is a call that may be repeated at any time, because its folder is the truth: what stands there is not done
again. So a worker, a machine or the head of a cluster may go at any moment, and the piece is simply called again.
"""

import math
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from core.cluster import claims
from core.errors import NodescopeError, RunError
from core.job import Cancelled
from core.progress import Progress, no_progress, within

POLL_SECONDS = 0.5
TRIES = 3
"""How often the process of a piece may end before the piece counts as failed."""

PATIENCE_SECONDS = 60.0
"""How long pieces in work get to finish their step and save after a request to stop."""

WORKER = "NODESCOPE_WORKER"
"""Set in the processes of a pool: what they may use is given to them, and they stand in no queue."""


def is_worker() -> bool:
    """Whether this process was started to work on pieces."""
    return bool(os.environ.get(WORKER))


def worker_environment(threads: int) -> dict[str, str]:
    """Return what is set in such a process before it imports anything."""
    return {WORKER: "1", "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def nothing_yet() -> float:
    """Return 0: the share of a piece whose folder does not say how far it is."""
    return 0.0


@dataclass(frozen=True)
class Piece:
    """A piece of work.

    Attributes:
        name: for people.
        claims: folder of the claims on it, see :mod:`core.cluster.claims`; the same for all who may work on it.
        call: a function of a module, which is called with the arguments and `progress`, to which it reports its share;
            that raises :class:`core.job.Cancelled` to end it.
        arguments: plain values.
        share: how much of it is done, 0 to 1, as its folder says while another process works on it.
    """

    name: str
    claims: Path
    call: Callable[..., Any]
    arguments: Mapping[str, Any]
    share: Callable[[], float] = nothing_yet


@dataclass(frozen=True)
class Outcome:
    """How an attempt on a piece ended.

    Attributes:
        state: "done"; "stopped" on request; "failed" with an error; "taken" by another process; "lost" with the
            process that worked on it; "gone" with its machine.
        value: what the call returned, or the mark of the other process's claim.
        error: why it failed.
    """

    state: Literal["done", "stopped", "failed", "taken", "lost", "gone"]
    value: Any = None
    error: NodescopeError | None = None

    def result(self) -> Any:
        """Return what the call returned.

        Raises:
            Cancelled: it was stopped.
            NodescopeError: it failed.
        """
        if self.error is not None:
            raise self.error
        if self.state == "stopped":
            raise Cancelled
        return self.value


_TOO_OFTEN = Outcome("failed", error=RunError(
    f"Its process ended {TRIES} times before it was done, perhaps for memory; give it more, or fewer at a time."
))  # fmt: skip

Task = tuple[int, Callable[[Progress], Outcome]]
"""What a pool gets: the number of a piece among all, and an attempt on it."""


class Pool(AbstractContextManager["Pool", None]):
    """A place where pieces are carried out: this process, one after the other. Others are made of it."""

    def __init__(self) -> None:
        self._finished = list[tuple[int, Outcome]]()

    def __exit__(self, *_: object) -> None:
        """End what it has started."""

    def slots(self) -> int:
        """Return how many tasks it takes at a time."""
        return 1

    def submit(self, task: Task, progress: Progress) -> None:
        """Take a task and return at once; in this process, do it and report its share to `progress`."""
        self._finished = [(task[0], task[1](progress))]

    def finished(self, _seconds: float) -> list[tuple[int, Outcome]]:
        """Return the numbers and outcomes of tasks that have ended; other processes are waited for so long."""
        found, self._finished = self._finished, []
        return found


def attempt(piece: Path, over: int, call: Callable[..., Any], given: Mapping[str, Any], progress: Progress) -> Outcome:
    """Call a piece, by the folder of its claims, if nobody else does, and return how it ended. A defect is raised."""

    def report(share: float) -> None:
        check()
        progress(share)

    try:
        with claims.claimed(piece, over=over) as check:
            return Outcome("done", call(**given, progress=report))
    except claims.Taken as taken:
        return Outcome("taken", taken.args)
    except Cancelled:
        return Outcome("stopped")
    except NodescopeError as error:
        return Outcome("failed", error=error)


def carry_out(
    pool: Pool,
    pieces: Sequence[Piece],
    *,
    progress: Progress = no_progress,
    begin: Callable[[Piece], None] = lambda _piece: None,
    stop: Callable[[Sequence[Piece]], None] = lambda _pieces: None,
) -> Iterator[tuple[Piece, Outcome]]:
    """Carry pieces out and yield each with its outcome ("done", "stopped" or "failed") when it has ended.

    Args:
        pool: where.
        pieces: what; those that another process has are tried again until it has finished or fallen silent.
        progress: receives the finished share of all; what it raises ends the work.
        begin: gets each piece before it is begun.
        stop: asks pieces to end that are in work when this ends early, by whatever is raised; called until they have.
    """
    waiting, running, begun, done = deque(range(len(pieces))), set[int](), set[int](), 0
    # Of those that others have: the mark of the claim, since when it is the same, and when to try again.
    tries, others = Counter[int](), dict[int, tuple[claims.Mark, float, float]]()
    free = ((0, 0), math.inf, 0.0)
    try:
        while waiting or running:
            progress((done + sum(pieces[number].share() for number in running)) / len(pieces))
            # They stand at the end of the line, so that the first one says whether all must wait.
            while waiting and len(running) < pool.slots() and others.get(waiting[0], free)[2] <= time.monotonic():
                number = waiting.popleft()
                piece, (mark, since, _) = pieces[number], others.get(number, free)
                over = mark[0] if time.monotonic() - since >= claims.SILENT_SECONDS else 0
                if number not in begun:
                    begin(piece)
                begun.add(number)
                task = partial(attempt, piece.claims, over, piece.call, piece.arguments)
                pool.submit((number, task), within(progress, done / len(pieces), (done + 1) / len(pieces)))
                running.add(number)
            if not running:
                time.sleep(POLL_SECONDS)
            for number, outcome in pool.finished(POLL_SECONDS) if running else ():
                running.discard(number)
                tries[number] += outcome.state == "lost"
                if outcome.state == "taken":
                    now, (mark, since, _) = time.monotonic(), others.get(number, free)
                    since = since if mark == outcome.value else now
                    others[number] = (outcome.value, since, now + claims.BEAT_SECONDS)
                    waiting.append(number)
                elif outcome.state == "gone" or (outcome.state == "lost" and tries[number] < TRIES):
                    waiting.appendleft(number)
                else:
                    done += 1
                    yield pieces[number], _TOO_OFTEN if outcome.state == "lost" else outcome
        progress(1.0)
    finally:
        end, wait = time.monotonic() + PATIENCE_SECONDS, 0.0
        while running and time.monotonic() < end:
            running -= {number for number, _ in pool.finished(wait)}
            if running:  # again and again: one that is just beginning may forget it
                stop([pieces[number] for number in running])
            wait = POLL_SECONDS
