"""One run at a time on a device, first come, first served: the others wait as "queued".

With several GPUs a run that leaves the choice to Nodescope waits for all of them and takes the first that is free; one
in several processes takes as many as it has processes, all at once.

Two kinds of the operating system's locks do it, so that any death frees what the dead one held: the device's lock, held
by the process that trains, and a ticket's lock, held by a process that waits. A ticket is a file whose name begins with
the time at which its run was started. Whoever waits may take the device when no ticket with an earlier time is held;
tickets that nobody holds any more are thrown away. Tickets are drawn and read under a third lock, so that
nobody sees a half-drawn one.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from core.cluster import is_worker
from core.device import candidates, fault, resolve_device, settled
from core.errors import StorageError
from core.runs.run import Run
from core.storage import atomic
from core.storage.home import home, make_folder
from core.work_folder import WorkFolder

POLL_SECONDS = 0.2
"""How often a waiting run checks whether the device is free or its stop was requested."""

NOTIFY_SECONDS = 2.0
"""How often it reports that it still waits."""

NAMES = {"cpu": "CPU", "cuda": "GPU", "mps": "GPU"}


def locks_home() -> Path:
    """Return the folder of the locks and tickets, for each device some."""
    return home() / "locks"


@contextmanager
def device_slot(
    run: WorkFolder,
    device: str,
    *,
    gpus: int = 1,
    wait: Callable[[str], None],
    give_up: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Hold a device for the body, in which "auto" means that one; wait for it before.

    A worker of a pool has its device already and waits for none.

    Args:
        run: that waits for it, or a job.
        device: a name of :func:`core.device.resolve_device`.
        gpus: how many GPUs are wanted, all at once.
        wait: gets, every few seconds, a sentence on the place of the run in the queue and on what it waits for.
        give_up: called at every check; it raises to stop waiting.

    Raises:
        DeviceError: there is no such device.
        StorageError: a lock cannot be made.
    """
    if is_worker():  # what it may use was given to it, on whatever machine it is
        yield
        return
    devices = candidates(device)
    if gpus > 1 and devices[0].type == "cuda":
        sets = [[torch.device("cuda", index) for index in range(gpus)]]
    else:
        sets = [[each] for each in devices]
    with ExitStack() as held:
        own = _line_up(sets, run, wait, give_up, held)
        if device == "auto" and fault(own[0]):
            # Only now, as a look at a GPU takes some of its memory. One that works is found, or the CPU.
            held.close()
            own = _line_up([[resolve_device()]], run, wait, give_up, held)
        with settled(own[0]):
            yield


def _line_up(
    sets: Sequence[Sequence[torch.device]],
    run: WorkFolder,
    wait: Callable[[str], None],
    give_up: Callable[[], None],
    held: ExitStack,
) -> Sequence[torch.device]:
    """Return the first of the sets of devices that is free for a run and has no run waiting that was started before.

    Their locks are in `held` then.
    """
    queues = {each: Queue.of(each) for some in sets for each in some}
    notified, last = 0.0, ""
    tickets = {each: queue.draw(run) for each, queue in queues.items()}
    try:
        while True:
            # Before a device is asked for, so that a run that was stopped while it waited never begins.
            give_up()
            ahead = {each: len(queue.ahead(tickets[each])) for each, queue in queues.items()}
            for some in sets:
                # Only the first in line asks: else the run that polls at the right moment would overtake the longest
                # wait.
                if not any(ahead[each] for each in some) and _take([queues[each] for each in some], run, held):
                    return some
            soonest = min(queues, key=ahead.__getitem__)
            place = queues[soonest].describe(ahead[soonest])
            if place != last or time.monotonic() - notified > NOTIFY_SECONDS:
                notified, last = time.monotonic(), place
                wait(place)
            time.sleep(POLL_SECONDS)
    finally:
        for each, ticket in tickets.items():
            queues[each].give_back(ticket)


def _take(queues: "Sequence[Queue]", run: WorkFolder, held: ExitStack) -> bool:
    """Hold all of some devices until `held` is closed, or none: so two that want several never wait for each other."""
    with ExitStack() as taken:
        for queue in queues:
            lock = queue.take()
            if lock is None:
                return False
            taken.callback(lock.release)
            atomic.write_text(queue.holder_path, run.name)
        held.push(taken.pop_all())
    return True


@dataclass(frozen=True)
class Ticket:
    """A place in a queue: a file, and the lock on it that shows that somebody still waits.

    Attributes:
        path: the file; its name begins with the time at which the run was started.
        lock: held by whoever waits.
    """

    path: Path
    lock: FileLock


@dataclass(frozen=True)
class Queue:
    """Those who wait for a device.

    Attributes:
        name: of the device, in the names of files: "cpu", "mps", or "cuda-" and the number that a GPU was made with,
            which is the same whatever CUDA_VISIBLE_DEVICES says.
        device: its kind, "CPU" or "GPU".
    """

    name: str
    device: str

    @classmethod
    def of(cls, device: torch.device) -> "Queue":
        """Return the queue of the device that PyTorch uses under this name.

        Raises:
            StorageError: the folder for it cannot be made.
        """
        name = device.type
        if name == "cuda":
            name = f"cuda-{torch.cuda.get_device_properties(device).uuid}"
        queue = cls(name, NAMES[device.type])
        try:
            make_folder(queue.tickets_path)
        except OSError as error:
            raise StorageError(f"The folder {queue.tickets_path} cannot be made: {error.strerror}.") from error
        return queue

    @property
    def tickets_path(self) -> Path:
        """The folder of the tickets."""
        return locks_home() / f"{self.name}.queue"

    @property
    def holder_path(self) -> Path:
        """The file that names the run the device works for, or worked for last."""
        return locks_home() / f"{self.name}.txt"

    def draw(self, run: WorkFolder) -> Ticket:
        """Return a ticket for the run, held."""
        with self._closed():
            started = round(_started(run) * 1e6)
            lock = None
            while lock is None:  # taken only where two runs of one name were started in the same microsecond
                # Twenty digits with leading zeros, because `ahead` compares names as text.
                path = self.tickets_path / f"{started:020}-{run.name}"
                lock, started = _held(path), started + 1
            return Ticket(path, lock)

    def give_back(self, ticket: Ticket) -> None:
        """Let go of a ticket; does nothing to one that is gone."""
        with self._closed():
            ticket.lock.release()
            ticket.path.unlink(missing_ok=True)

    def ahead(self, ticket: Ticket) -> list[str]:
        """Return the names of the runs that wait longer than the ticket's holder, the longest first."""
        with self._closed():
            earlier = sorted(path for path in self.tickets_path.iterdir() if path.name < ticket.path.name)
            return [path.name.partition("-")[2] for path in earlier if _is_held(path)]

    def take(self) -> FileLock | None:
        """Return the device's lock, held; None if another process has it."""
        return _held(locks_home() / f"{self.name}.lock")

    def describe(self, ahead: int) -> str:
        """Return, as a phrase, the place of a run that waits behind `ahead` others."""
        place = "Next in line" if not ahead else f"Number {ahead + 1} in the queue"
        try:
            holder = self.holder_path.read_text("utf-8").strip()
        except FileNotFoundError:
            holder = ""
        return f"{place} for the {self.device}" + (f", where {holder} is at work" if holder else "")

    def _closed(self) -> FileLock:
        return FileLock(locks_home() / f"{self.name}.queue.lock")


def _started(run: WorkFolder) -> float:
    """Return when the run was started, in seconds since 1970: processes differ in how long it takes until they draw."""
    if not isinstance(run, Run):
        return time.time()
    status = run.status()
    # Another state is from an earlier session; its time would put a resumed run before all that wait already.
    return status.updated if status.state == "starting" and status.updated else time.time()


def _held(path: Path) -> FileLock | None:
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


def _is_held(path: Path) -> bool:
    """Whether a process holds the ticket; one that nobody holds is thrown away."""
    lock = _held(path)
    if lock is None:
        return True
    lock.release()
    path.unlink(missing_ok=True)
    return False
