"""What a run is: its configuration, its directory, its status, and the process that works on it."""

from core.runs.config import Augmentation, TrainingConfig
from core.runs.flaws import flaw_sentence
from core.runs.launch import GRACE_SECONDS, kill, may_be_killed, start, stop, stop_and_wait
from core.runs.presets import PRESETS, preset
from core.runs.run import Run, create_run, find_run, list_runs, open_run
from core.runs.status import Status
from core.runs.summary import RunSummary, differing_settings, summarise_run, titles

__all__ = [
    "GRACE_SECONDS",
    "PRESETS",
    "Augmentation",
    "Run",
    "RunSummary",
    "Status",
    "TrainingConfig",
    "create_run",
    "differing_settings",
    "find_run",
    "flaw_sentence",
    "kill",
    "list_runs",
    "may_be_killed",
    "open_run",
    "preset",
    "start",
    "stop",
    "stop_and_wait",
    "summarise_run",
    "titles",
]
