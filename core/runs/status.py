"""What a run says of itself while it goes on."""

import time
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

STATES = {
    "starting": "Starting",
    "queued": "Queued",
    "running": "Running",
    "stopping": "Stopping after this step",
    "stopped": "Stopped",
    "finished": "Finished",
    "failed": "Failed",
    "lost": "Lost: its process ended without a last word",
}
"""Every state with its name on screen. "lost" is never written; it is concluded from a process that is gone."""

ACTIVE = ("starting", "queued", "running", "stopping")
"""States in which a process must be alive."""


@dataclass(frozen=True)
class Status:
    """The content of ``status.json``.

    Attributes:
        state: one of :data:`STATES`.
        stage: what it is doing now, in plain words.
        message: why it failed or stopped, else empty.
        epoch: the epoch in work, from 1; 0 before the first.
        epochs: number of epochs.
        step: steps done in all epochs.
        steps: steps in all epochs.
        loss: mean training loss of the epoch in work so far, or None.
        patches_per_second: throughput of the last seconds, or None.
        seconds_left: estimate, or None.
        device: in words.
        memory: bytes of the computer that the process holds, or None.
        device_memory: bytes of a GPU that it has held at most; None on a CPU.
        seconds: time worked on it, in all sessions together.
        updated: seconds since 1970 of the last word.
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
    def is_active(self) -> bool:
        """Whether a process works on it."""
        return self.state in ACTIVE

    @property
    def progress(self) -> float:
        """Finished share of the steps, from 0 to 1."""
        return self.step / self.steps if self.steps else 0.0

    def now(self, **changes: Any) -> "Status":
        """Return a copy with some values replaced and the time of this moment."""
        return replace(self, updated=time.time(), **changes)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Status":
        """Return what :meth:`to_json` gave; values of a newer version are left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: item for name, item in value.items() if name in known})
