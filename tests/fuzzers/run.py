"""Damaged runs: lists, show, compare and what the Train page reads."""

from pathlib import Path

from core.errors import NodescopeError
from core.runs import find_run, list_runs
from core.runs.summary import differing_settings, summarise_run
from tests.fuzzers.damage import copy_with_damage as damaged
from tests.fuzzers.home import OTHER, RUN, run_commands

__all__ = ["attempt", "damaged", "place"]


def place(home: Path) -> Path:
    """Return the folder that is damaged."""
    return home / "runs" / RUN


def attempt(path: Path) -> str:
    """Do what pages and commands do, and return what they said; "refused" where a sentence says that it is damaged."""
    text, well = run_commands(
        ["runs", "list"], ["runs", "show", RUN], ["runs", "show", RUN, "--json"], ["runs", "compare", RUN, OTHER]
    )
    try:
        runs = list_runs()
        text += str([summarise_run(run) for run in runs])
        run = find_run(RUN)
        text += str((run.status(), run.config(), run.metrics().to_csv(), run.patches(), run.speed(), run.notes()))
        text += str(differing_settings(runs))
    except NodescopeError:
        return "refused"
    return text if well else "refused"
