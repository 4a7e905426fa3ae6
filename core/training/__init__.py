"""What a run is: its settings, its loop, its directory, and the process that works on it."""

from core.training.config import Augmentation, TrainingConfig
from core.training.job import GRACE_SECONDS, kill, launch, may_be_killed, start, stop, stop_and_wait
from core.training.presets import PRESETS, Preset, preset
from core.training.record import Record, differing_settings, record_of
from core.training.reported import flaw_sentence, flaws
from core.training.run import Run, create_run, find_run, list_runs, open_run
from core.training.status import ACTIVE, STATES, Status
from core.training.trash import Trashed, delete, delete_study, empty_trash, list_trash, restore, trash_home

__all__ = [
    "ACTIVE",
    "GRACE_SECONDS",
    "PRESETS",
    "STATES",
    "Augmentation",
    "Preset",
    "Record",
    "Run",
    "Status",
    "TrainingConfig",
    "Trashed",
    "create_run",
    "delete",
    "delete_study",
    "differing_settings",
    "empty_trash",
    "find_run",
    "flaw_sentence",
    "flaws",
    "kill",
    "launch",
    "list_runs",
    "list_trash",
    "may_be_killed",
    "open_run",
    "preset",
    "record_of",
    "restore",
    "start",
    "stop",
    "stop_and_wait",
    "trash_home",
]
