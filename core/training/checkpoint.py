"""The state of a run between two steps, in one file."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from core.errors import RunError, StorageError
from core.storage import atomic

# What torch.load raises on damaged files: its reader of plain weights is a small interpreter of pickle.
_DAMAGE = (OSError, RuntimeError, EOFError, UnpicklingError, ValueError, LookupError, TypeError, AttributeError)


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
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except _DAMAGE as error:
        raise RunError(f"{path} is damaged ({type(error).__name__}); start a new run.") from error
    return state
