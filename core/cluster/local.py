"""Pieces in this process, and in processes of this machine."""

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from core.cluster.pieces import Outcome, Task, attempt, worker_environment
from core.device import gpu_count
from core.process import end_with_parent
from core.progress import Progress, no_progress


class Here:
    """One piece after the other in this process."""

    def __init__(self) -> None:
        self._task: Task | None = None
        self._last = 0

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def slots(self) -> int:
        """Return 1."""
        return 1

    def submit(self, task: Task) -> None:
        """Keep a task for :meth:`finished`."""
        self._task, self._last = task, task.number

    def finished(self, _seconds: float, progress: Progress) -> list[tuple[int, Outcome]]:
        """Carry the task out and return its outcome; one that was interrupted has stopped."""
        task, self._task = self._task, None
        return [(self._last, Outcome("stopped") if task is None else attempt(*task[1:], progress))]


class Child:
    """A process of ours that ends with us, and a pipe to it.

    Args:
        target: a function of a module that gets the other end of the pipe, and `given`.
        given: its other arguments.
        environment: what is set in it before it imports anything.
    """

    def __init__(self, target: Callable[..., None], *given: Any, environment: Mapping[str, str]):
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of threads, and CUDA
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_begin, args=(target, theirs, *given))
        with _environment(environment):
            self._process.start()
        theirs.close()  # so that its death is the end of the pipe

    def end(self, *, at_once: bool) -> None:
        """Let the process end: by the end of its pipe, or `at_once`."""
        self.pipe.close()
        if at_once:
            self._process.kill()
        self._process.join()


def _begin(target: Callable[..., None], pipe: Connection, *given: Any) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):  # the other end is closed: no more work
        target(pipe, *given)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class LocalPool:
    """So many processes of this machine, each with one piece at a time; one that dies is replaced.

    Args:
        workers: how many.
        cpus: threads of each. Sums over other numbers of threads have other last digits, so this must not follow from
            the number of workers, or results would.
    """

    def __init__(self, workers: int, cpus: int):
        self._workers, self._cpus = workers, cpus
        self._idle: list[tuple[int, Child]] = []
        self._busy: dict[Connection, tuple[int, int, Child]] = {}

    def __enter__(self) -> "LocalPool":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        for _, _, child in self._busy.values():
            child.end(at_once=True)
        for _, child in self._idle:
            child.end(at_once=False)

    def slots(self) -> int:
        """Return the number of workers."""
        return self._workers

    def submit(self, task: Task) -> None:
        """Give a task to a worker that has none; it is started if there is none yet."""
        taken = {place for place, _, _ in self._busy.values()}
        place, child = self._idle.pop() if self._idle else (min({*range(self._workers)} - taken), None)
        child = child or Child(_work, environment=self._environment(place))
        self._busy[child.pipe] = (place, task.number, child)
        with suppress(BrokenPipeError):  # it died while it had nothing to do: seen as lost, and tried again
            child.pipe.send(task)

    def finished(self, seconds: float, _progress: Progress) -> list[tuple[int, Outcome]]:
        """Return what workers have sent, and "lost" for those that have died."""
        found = []
        for pipe in multiprocessing.connection.wait(list(self._busy), seconds):
            place, number, child = self._busy.pop(pipe)  # type: ignore[call-overload]
            try:
                found.append((number, child.pipe.recv()))
                self._idle.append((place, child))
            except (EOFError, ConnectionResetError):
                child.end(at_once=True)
                found.append((number, Outcome("lost")))
        return found

    def _environment(self, place: int) -> dict[str, str]:
        own, count = worker_environment(self._cpus), gpu_count()
        if count > 1:  # one GPU each, in turn
            names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
            names = names if len(names) > 1 else [str(number) for number in range(count)]
            own["CUDA_VISIBLE_DEVICES"] = names[place % len(names)]
        return own


def _work(pipe: Connection) -> None:
    while True:
        task: Task = pipe.recv()
        pipe.send(attempt(*task[1:], no_progress))
