"""The status of a run while it goes on."""

import time
from dataclasses import dataclass, replace
from typing import Any

from core.work_folder import WorkStatus


@dataclass(frozen=True)
class Status(WorkStatus):
    """The content of ``status.json``.

    Attributes:
        state: one of :data:`core.work_folder.STATES`.
        stage: what it is doing now, in a phrase.
        message: why it failed or stopped, else empty.
        epoch: the epoch in work, from 1; 0 before the first.
        epochs: number of epochs.
        step: steps done in all epochs.
        steps: steps in all epochs.
        loss: mean training loss of the epoch in work so far, or None.
        patches_per_second: throughput of the last seconds, or None.
        seconds_left: estimate, or None.
        device: its name.
        memory: bytes of the computer that the process holds, or None.
        device_memory: bytes of a GPU that it has held at most; None on a CPU.
        seconds: time worked on it, in all sessions together.
        updated: seconds since 1970 of the last change.
    """

    state: str = "starting"
    stage: str = ""
    message: str = ""
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    loss: float | None = None
    patches_per_second: float | None = None
    seconds_left: float | None = None
    device: str = ""
    memory: int | None = None
    device_memory: int | None = None
    seconds: float = 0.0
    updated: float = 0.0

    @property
    def progress(self) -> float:
        """Finished share of the steps, from 0 to 1."""
        return self.step / self.steps if self.steps else 0.0

    def now(self, **changes: Any) -> "Status":
        """Return a copy with some values replaced and the time of this moment."""
        return replace(self, updated=time.time(), **changes)
