"""What a run is: its settings, its loop, its directory, and the process that works on it."""

from core.training.config import Augmentation, TrainingConfig
from core.training.job import kill, launch, start, stop
from core.training.presets import PRESETS, Preset, preset
from core.training.record import Record, differing_settings, record_of
from core.training.run import Run, create_run, find_run, list_runs, open_run
from core.training.status import ACTIVE, STATES, Status
from core.training.trash import delete, trash_home

__all__ = [
    "ACTIVE",
    "PRESETS",
    "STATES",
    "Augmentation",
    "Preset",
    "Record",
    "Run",
    "Status",
    "TrainingConfig",
    "create_run",
    "delete",
    "differing_settings",
    "find_run",
    "kill",
    "launch",
    "list_runs",
    "open_run",
    "preset",
    "record_of",
    "start",
    "stop",
    "trash_home",
]
