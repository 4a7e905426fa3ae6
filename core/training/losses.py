"""The losses of the steps of an epoch: fetched from the device a few at a time, and drawn as a curve within it."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.errors import TrainingError

UNREAD = 20
"""Steps whose losses stay on a GPU before they are fetched; each checkpoint fetches them too."""

POINTS = 10
"""Least number of points of the curve within an epoch, each the mean of at most :data:`UNREAD` steps."""


class Losses:
    """Fetches losses and makes the rows of ``steps.csv``.

    Args:
        steps_per_epoch: of the run.
    """

    def __init__(self, steps_per_epoch: int):
        self._steps_per_epoch = steps_per_epoch
        self._unread: list[Tensor] = []
        self._part = max(1, min(UNREAD, steps_per_epoch // POINTS))
        self._in_curve = 0  # steps of the epoch in work that stand in steps.csv

    def add(self, loss: Tensor) -> bool:
        """Take the loss of a step; return whether it is time to fetch."""
        self._unread.append(loss)
        # A CPU has finished the step by now, so that reading its loss waits for nothing.
        return loss.device.type == "cpu" or len(self._unread) >= UNREAD

    def fetch(self, losses: list[float], epoch: int) -> list[dict[str, Any]]:
        """Append what is still on the device, and return the new rows of ``steps.csv``.

        A GPU would have to stop for each loss, so that all come in one transfer.

        Args:
            losses: of the steps of the epoch that were fetched before.
            epoch: finished epochs.

        Raises:
            TrainingError: a loss is not a number.
        """
        for loss in torch.stack(self._unread).tolist() if self._unread else ():
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss became {loss} in step {len(losses) + 1} of epoch {epoch + 1}. Try a lower learning "
                    "rate; the last checkpoint is kept."
                )
            losses.append(loss)
        self._unread = []
        rows = []
        whole = len(losses) == self._steps_per_epoch  # then the rest of the epoch is a point too
        while self._in_curve < len(losses) and (whole or len(losses) - self._in_curve >= self._part):
            part = losses[self._in_curve : self._in_curve + self._part]
            self._in_curve += len(part)
            rows.append({"step": epoch * self._steps_per_epoch + self._in_curve, "loss": float(np.mean(part))})
        return rows

    def end_epoch(self) -> None:
        """Begin the curve of another epoch."""
        self._in_curve = 0
