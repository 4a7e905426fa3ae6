"""Pieces in processes of this machine."""

import multiprocessing
import multiprocessing.connection
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

from core.cluster.pieces import Outcome, Pool, Task, worker_environment
from core.process import end_with_parent
from core.progress import Progress, no_progress
from core.storage.portable import cores


def room(device: str) -> int:
    """Return how many processes of this machine can have a core, or a GPU, of their own on a device of that name."""
    from core.device import gpu_count  # with PyTorch, for which workers must not wait

    gpus = gpu_count() if device in ("auto", "cuda") else 0
    return gpus or (cores() if device in ("auto", "cpu") else 1)


def prepare(modules: Sequence[str]) -> None:
    """Start the server from which workers of one thread are forked on Linux, and let it import what they need.

    So PyTorch is imported once for all of them, beside the import in this process. A server and not this process,
    because a fork copies the locks of threads, and CUDA.
    """
    before = dict(os.environ)
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)  # or Ctrl+C prints a traceback of the server's imports
    forkserver.set_forkserver_preload(list(modules))
    try:
        os.environ.update(worker_environment(1))
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
        signal.signal(signal.SIGINT, interrupted)


class Child:
    """A process that ends with this one, and a pipe to it.

    Args:
        target: a function of a module that gets the other end of the pipe, and `given`.
        given: its other arguments.
        environment: what is set in it before it imports PyTorch.
        forks: whether it may be forked from a server, where the system does that safely.
    """

    def __init__(self, target: Callable[..., None], *given: Any, environment: Mapping[str, str], forks: bool = False):
        self.tasks = set[int]()  # their numbers, as long as they are in work
        self.pipe, theirs = multiprocessing.Pipe()
        method = "forkserver" if forks and sys.platform == "linux" else "spawn"
        start = multiprocessing.get_context(method).Process  # type: ignore[attr-defined]
        # All of the environment, because a server has that of the moment in which it was started.
        self._process = start(target=_begin, args=({**os.environ, **environment}, target, theirs, *given))
        self._process.start()
        theirs.close()  # so that its death is the end of the pipe

    def end(self) -> None:
        """Let the process end: by the end of its pipe, or at once if it is at work."""
        self.pipe.close()
        if self.tasks:
            self._process.kill()
        self._process.join()


def _begin(environment: Mapping[str, str], target: Callable[..., None], pipe: Connection, *given: Any) -> None:
    os.environ.update(environment)  # PyTorch, which reads it, is not imported yet, or was with the same
    threading.Thread(target=end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):  # the other end is closed: no more work
        target(pipe, *given)


class LocalPool(Pool):
    """So many processes of this machine, each with one piece at a time; one that dies is replaced.

    Args:
        workers: how many.
        cpus: threads of each. Sums over other numbers of threads have other last digits, so this must not follow from
            the number of workers, or results would.
        device: that they are to use. Of several GPUs each worker gets one in turn, unless this names one.
    """

    def __init__(self, workers: int, cpus: int, device: str):
        super().__init__()
        self._cpus, self._device = cpus, device
        self._children = dict[int, Child | None].fromkeys(range(workers))

    def __exit__(self, *_: object) -> None:
        for child in filter(None, self._children.values()):
            child.end()

    def slots(self) -> int:
        """Return the number of workers."""
        return len(self._children)

    def submit(self, task: Task, _progress: Progress) -> None:
        """Give a task to a worker that has none; it is started if there is none yet."""
        places = [(bool(child and child.tasks), child is None, place) for place, child in self._children.items()]
        place = min(places)[-1]
        child = self._children[place] = self._children[place] or self._start(place)
        child.tasks.add(task[0])
        with suppress(OSError):  # it died while it had nothing to do: seen below, and tried again
            child.pipe.send(task)

    def finished(self, seconds: float) -> list[tuple[int, Outcome]]:
        """Return what workers have sent, and "lost" for those that have died."""
        found = list[tuple[int, Outcome]]()
        busy = {child.pipe: (place, child) for place, child in self._children.items() if child and child.tasks}
        for pipe in multiprocessing.connection.wait(list(busy), seconds):
            place, child = busy[pipe]
            try:
                while child.pipe.poll():
                    message = child.pipe.recv()
                    if isinstance(message, tuple):
                        child.tasks.discard(message[0])
                        found.append(message)
                    else:
                        self._hear(message)
            except (EOFError, OSError):
                outcome = self._ended()
                child.end()
                self._children[place] = None
                found += [(number, outcome) for number in child.tasks]
        return found

    def _ended(self) -> Outcome:
        """Return how a task has ended whose process is gone."""
        return Outcome("lost")

    def _hear(self, message: Any) -> None:
        """Take note of what a process says that is no outcome."""

    def _start(self, place: int) -> Child:
        from core.device import gpu_count

        own, count = worker_environment(self._cpus), 1 if re.match(r"cuda:\d", self._device) else gpu_count()
        if count > 1:
            names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
            names = names if len(names) > 1 else [str(number) for number in range(count)]
            own["CUDA_VISIBLE_DEVICES"] = names[place % len(names)]
        # With more threads, a server that has imported PyTorch would have threads of OpenMP itself.
        return Child(_work, environment=own, forks=self._cpus == 1)


def _work(pipe: Connection) -> None:
    while True:
        number, work = pipe.recv()
        pipe.send((number, work(no_progress)))
