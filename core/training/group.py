"""The processes that ``accelerate launch`` started together to train one network; nearly always there is only one.

Each works on its share of every batch and changes its copy of the network alike. The main one alone takes the lock and
the turn, reads and writes the run, and decides; the others follow.
"""

import os
from datetime import timedelta
from typing import TypeVar

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from core.device import resolve_device

T = TypeVar("T")

PATIENCE = timedelta(days=30)
"""How long the others wait for the main process, which may itself wait for its turn or read data for hours. A process
that has died is noticed at once, whatever this says."""


class Group:
    """This process among those that were launched together.

    Attributes:
        size: how many they are.
        is_main: whether this is the one that reads and writes the run.

    Args:
        device: "auto", "cpu" or "cuda".
    """

    def __init__(self, device: str):
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.is_main = True
        self._begun = self.size == 1
        if self.size > 1:
            is_cpu = resolve_device(device).type == "cpu"
            self.is_main = bool(PartialState(cpu=is_cpu, timeout=PATIENCE).is_main_process)

    def from_main(self, value: T) -> T:
        """Return the value that the main process gave; all of the group call this at the same point."""
        if self.size == 1:
            return value
        box = [value]
        broadcast_object_list(box, from_process=0)
        return box[0]

    def begin(self, go: bool) -> bool:
        """Let the others begin to train (or end, if not `go`); in those, wait for that word. Counts once."""
        if self._begun:
            return go
        self._begun = True
        return self.from_main(go)

    def end(self) -> None:
        """Leave the group, so that none of its threads is at work when this process ends: that would abort it."""
        if self.size > 1:
            PartialState().destroy_process_group()
