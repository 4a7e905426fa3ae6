"""The status of a run while it trains: ``status.json``, replaced once a second."""

import time
from collections import deque
from typing import Any

import torch

from core.runs.run import Run
from core.runs.status import Status
from core.training.memory import memory_in_use

STATUS_SECONDS = 1.0
RATE_SECONDS = 30.0
"""Seconds before now whose steps give the throughput."""


class StatusReporter:
    """Writes the status of a run, with throughput, time left and memory.

    Attributes:
        status: as it was last written.
        seconds_before: time worked on the run before this session.

    Args:
        run: whose status it is.
        status: what does not change: steps, epochs, name of the device.
        device: where the network works.
        batch_size: patches a step, in all processes together.
        started: `time.monotonic()` at which this session began.
        is_main: whether this process is the one that writes.
    """

    def __init__(
        self, run: Run, status: Status, *, device: torch.device, batch_size: int, started: float, is_main: bool
    ):
        self.status = status
        self.seconds_before = 0.0
        self._run, self._device, self._batch_size = run, device, batch_size
        self._started, self._is_main = started, is_main
        self._last = time.monotonic()
        self._recent: deque[tuple[float, int]] = deque()  # time and number of each step of the last seconds

    def seconds(self) -> float:
        """Return the time worked on the run, in all sessions together."""
        return self.seconds_before + time.monotonic() - self._started

    def count(self, step: int) -> None:
        """Take note of a finished step, for the throughput."""
        now = time.monotonic()
        self._recent.append((now, step))
        while now - self._recent[0][0] >= RATE_SECONDS:
            self._recent.popleft()

    def is_due(self) -> bool:
        """Whether the last status is a second old."""
        return time.monotonic() - self._last > STATUS_SECONDS

    def write(self, *, step: int, **changes: Any) -> None:
        """Replace the status.

        Args:
            step: finished steps of all epochs.
            changes: values of :class:`Status`; the others stay.
        """
        self._last = time.monotonic()
        # The time above is for all processes: without it the others would always be due.
        if not self._is_main:
            return
        rate = self._steps_per_second()
        self.status = self.status.now(
            **{
                "step": step,
                "patches_per_second": rate and rate * self._batch_size,
                "seconds": self.seconds(),
                **memory_in_use(self._device),
                "seconds_left": rate and (self.status.steps - step) / rate,
                **changes,
            }
        )
        self._run.write_status(self.status)

    def _steps_per_second(self) -> float | None:
        if len(self._recent) < 2:
            return None
        (start, first), (end, last) = self._recent[0], self._recent[-1]
        return (last - first) / (end - start)
