"""Pieces on a Ray cluster.

What talks to Ray is a process of its own: Ray ends it when the head of the cluster is gone for a minute, and then the
next one waits for the new head.
"""

import logging
import socket
import time
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any

from core.cluster.local import Child, LocalPool
from core.cluster.pieces import POLL_SECONDS, Outcome, worker_environment
from core.errors import ConfigError, RunError
from core.job import ROOT
from core.progress import no_progress
from core.storage.home import HOME_VARIABLE, home

logger = logging.getLogger("nodescope.cluster")

HEAD_SECONDS = 900.0
"""How long a head that has been there is waited for."""

CONNECT_SECONDS = 20.0

OBJECT_STORE = 100 * 2**20
"""Bytes of the shared memory that a cluster of this machine's own reserves: pieces pass files and no arrays."""


class RayPool(LocalPool):
    """As many pieces at a time as the cluster has room for, by a process that talks to Ray.

    Args:
        address: of the head, or "local" for a cluster of this machine's own.
        resources: of a piece, as ``ray.remote`` names them: num_cpus, num_gpus, memory.

    Raises:
        ConfigError: Ray is not installed.
    """

    def __init__(self, address: str, resources: Mapping[str, float]):
        super().__init__(1, 1, "cpu")
        if find_spec("ray") is None:
            raise ConfigError(
                "--ray needs Ray, which is not installed here: pip install 'ray>=2.40' (260 MB). For several processes "
                "of one machine, --workers needs nothing."
            )
        self._address, self._resources = address, resources
        self._room, self._answered, self._why = 1, 0.0, "its head is gone"

    def slots(self) -> int:
        """Return how many pieces the cluster has room for now, and one more, so that no node waits for us."""
        return self._room + 1

    def _hear(self, message: int | str) -> None:
        if isinstance(message, str):
            self._why = message
        else:
            self._room, self._answered = message, time.monotonic()

    def _ended(self) -> Outcome:
        """Return "gone", so that all is sent to a new process, if there has been a cluster."""
        if not self._answered or time.monotonic() - self._answered > HEAD_SECONDS:
            raise RunError(
                f"No Ray cluster answers at {self._address} ({self._why}). Start one with `ray start --head` and give "
                "its address, such as 10.0.0.1:6379, or --ray local. What was finished is kept, and the same command "
                "goes on."
            )
        logger.warning("The Ray cluster at %s does not answer; waiting for it.", self._address)
        return Outcome("gone")

    def _start(self, _place: int) -> Child:
        return Child(_drive, self._address, self._resources, environment={"RAY_USAGE_STATS_ENABLED": "0"})


def _drive(pipe: Connection, address: str, resources: Mapping[str, float]) -> None:
    """Pass tasks to Ray and outcomes back, until the pipe ends."""
    ray: Any = import_module("ray")
    environment = {"PYTHONPATH": str(ROOT), HOME_VARIABLE: str(home().resolve())}
    environment |= worker_environment(int(resources["num_cpus"]))
    own = {"object_store_memory": OBJECT_STORE, "include_dashboard": False} if address == "local" else {}
    try:
        host, _, port = address.partition(":")
        if port.isdigit():  # Ray itself tries for a minute, and then ends the process without a word to us
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        ray.init(address, runtime_env={"env_vars": environment}, log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        pipe.send(str(error).splitlines()[0])
        return
    # Never again by Ray itself: whether a piece is worth another try is decided in one place.
    remote = ray.remote(max_retries=0, **resources)(lambda work: work(no_progress))
    running, asked = dict[Any, int](), 0.0
    while True:
        if time.monotonic() - asked > 2:
            asked = time.monotonic()
            pipe.send(_room(ray.cluster_resources(), resources))
        while pipe.poll(0 if running else POLL_SECONDS):
            number, work = pipe.recv()
            running[remote.remote(work)] = number
        for ref in ray.wait(list(running), timeout=POLL_SECONDS)[0] if running else ():
            pipe.send((running.pop(ref), _outcome(ray, ref)))


def _room(cluster: Mapping[str, float], piece: Mapping[str, float]) -> int:
    names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    # At least one is asked for, so that a cluster that grows on demand hears of it.
    return max(1, min(int(cluster.get(names[name], 0) // need) for name, need in piece.items() if need))


def _outcome(ray: Any, ref: Any) -> Outcome:
    try:
        outcome: Outcome = ray.get(ref)
        return outcome
    except (ray.exceptions.NodeDiedError, ray.exceptions.ObjectLostError, ray.exceptions.RayActorError):
        return Outcome("gone")
    except ray.exceptions.RayError as error:
        logger.warning("A piece ended on Ray: %s", error)
        return Outcome("lost")
