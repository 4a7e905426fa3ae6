"""What a run is: its settings, its loop, its directory, and the process that works on it."""

from core.training.config import Augmentation, TrainingConfig
from core.training.job import kill, launch, start, stop
from core.training.presets import PRESETS, Preset, preset
from core.training.run import Run, create_run, list_runs, open_run
from core.training.status import ACTIVE, STATES, Status

__all__ = [
    "ACTIVE",
    "PRESETS",
    "STATES",
    "Augmentation",
    "Preset",
    "Run",
    "Status",
    "TrainingConfig",
    "create_run",
    "kill",
    "launch",
    "list_runs",
    "open_run",
    "preset",
    "start",
    "stop",
]
