"""The state of a run between two steps, in one file."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Self

import torch
from torch import Tensor

from core.errors import RunError, StorageError
from core.storage import atomic

# What torch.load raises on damaged files: its reader of plain weights is a small interpreter of pickle.
_DAMAGE = (OSError, RuntimeError, EOFError, UnpicklingError, ValueError, LookupError, TypeError, AttributeError)


@dataclass
class TrainingState:
    """Where a run stands between two steps, beside its network, optimiser and schedule, which know their own state.

    Attributes:
        epoch: finished epochs.
        step_in_epoch: finished steps of the epoch in work.
        best_epoch: the epoch whose weights are kept, from 1; 0 before the first.
        best_auc: its validation AUC.
        weights: what is shipped: the moving average at that epoch, by name.
        losses: of the finished steps of the epoch in work.
        rows: of ``metrics.csv``, one for each finished epoch.
        patches: the rows of ``patches.csv``.
        speeds: the rows of ``speed.csv``.
        seconds: time worked on the run before this session.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    best_epoch: int = 0
    best_auc: float = -math.inf
    weights: dict[str, Tensor] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)
    patches: list[dict[str, Any]] = field(default_factory=list)
    speeds: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0

    def to_checkpoint(self) -> dict[str, Any]:
        """Return it as it stands in a checkpoint, as tensors and plain values."""
        position = [self.epoch, self.step_in_epoch, self.best_epoch]
        rest = {name: value for name, value in self.__dict__.items() if name not in _POSITION}
        return {"position": position, **rest}

    @classmethod
    def from_checkpoint(cls, checkpoint: dict[str, Any]) -> Self:
        """Return what :meth:`to_checkpoint` gave; what an earlier version did not write yet is empty."""
        # By our fields: a checkpoint also holds what train step, schedule and validation wrote.
        names = [name for name in cls.__dataclass_fields__ if name in checkpoint]
        position = dict(zip(_POSITION, checkpoint["position"], strict=True))
        return cls(**position, **{name: checkpoint[name] for name in names})


_POSITION = ("epoch", "step_in_epoch", "best_epoch")
# These stand together under "position", as in the first version.


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace `path` by `state` (tensors and plain values) atomically.

    Raises:
        StorageError: it could not be written; the earlier checkpoint is unchanged.
    """
    try:
        with atomic.replacing(path) as temporary:
            torch.save(state, temporary)
    except RuntimeError as error:  # what torch.save raises on a full disk
        raise StorageError(
            f"The checkpoint could not be written to {path.parent}: {error}. Free some space and resume the run; the "
            "earlier checkpoint is unchanged."
        ) from error


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        RunError: it is damaged.
    """
    try:
        # weights_only, because a checkpoint that somebody sends must not run code here.
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except _DAMAGE as error:
        raise RunError(f"{path} is damaged ({type(error).__name__}); start a new run.") from error
    return state
