"""``python -m core runs``: look at runs, stop them, go on with them, compare them, delete them, have them back."""

import argparse
import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from core.errors import RunError
from core.formatting import duration, file_size
from core.runs import (
    GRACE_SECONDS,
    STATES,
    Run,
    RunSummary,
    differing_settings,
    find_run,
    list_runs,
    stop,
    stop_and_wait,
    summarise_run,
)
from core.runs.launch import launch
from core.studies import delete, empty_trash, list_trash, restore

HEAD = ("run", "state", "preset", "data", "best valid AUC (epoch)", "test AUC", "started", "worked")


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "runs",
        help="list, show, stop, resume, compare and delete runs, and have them back",
        description="Look after runs, whoever started them. RUN is a run's name or the path of its folder.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, text, action, several in (
        ("show", "what a run is and how far it got", run_show, None),
        ("stop", "ask runs to finish their step, save and end", run_stop, "+"),
        ("resume", "go on with runs in the background", run_resume, "+"),
        ("compare", "the settings in which runs differ, and how good each became", run_compare, "+"),
        ("delete", "move runs to the trash, from which restore brings them back", run_delete, "+"),
        ("restore", "move runs, and studies with their runs, from the trash back", run_restore, "+"),
    ):
        each = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        each.add_argument("runs", nargs=several or 1, metavar="RUN", help="name or path")
        each.add_argument("--json", action="store_true", help="print JSON")
        each.set_defaults(run=action)
        if name == "stop":
            each.add_argument(
                "--grace",
                type=float,
                nargs="?",
                const=GRACE_SECONDS,
                metavar="SECONDS",
                help=f"wait so long for the end (default {GRACE_SECONDS:.0f}), then kill the process",
            )
    _add_trash(actions)
    listing = actions.add_parser("list", help="all runs, newest first", description="All runs, newest first.")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=run_list)


def _add_trash(actions: Any) -> None:
    trash = actions.add_parser("trash", help="what was deleted", description="What was deleted, the last one first.")
    trash.add_argument("--empty", action="store_true", help="delete all of it for good, after a question")
    trash.add_argument("--yes", action="store_true", help="with --empty: do not ask")
    trash.add_argument("--json", action="store_true", help="print JSON")
    trash.set_defaults(run=run_trash)


def run_list(arguments: argparse.Namespace) -> int:
    """Print a row a run and return 0."""
    records = [summarise_run(run) for run in list_runs()]
    if arguments.json:
        return _print_json([each.to_json() for each in records])
    print(table([HEAD, *(row(each) for each in records)]) if records else "No runs yet: python -m core train")
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Print all there is to say of a run and return 0."""
    run = find_run(arguments.runs[0])
    found = summarise_run(run)
    metrics = run.metrics()
    if arguments.json:
        return _print_json(
            {**found.to_json(), "settings": run.config().to_json(), "metrics": metrics.to_dict(orient="records")}
        )
    for name, value in zip(HEAD, row(found), strict=True):
        print(f"{name + ':':<24} {value}")
    said = (("why", found.message), ("flaw", found.flaw), ("notes", found.notes), ("folder", found.path))
    for name, value in said:
        if value:
            print(f"{name + ':':<24} {value}")
    if not metrics.empty:
        print(metrics.tail(10).to_string(index=False, float_format="{:.4f}".format))
    return 0


def run_stop(arguments: argparse.Namespace) -> int:
    """Ask each run to stop, and with a grace see that it does; return 0."""

    def act(run: Run) -> str:
        if arguments.grace is None:
            stop(run)
            return "is asked to stop"
        if stop_and_wait(run, grace=arguments.grace):
            return "has stopped"
        return f"did not stop within {arguments.grace:g} s and was killed; it can be resumed from its last checkpoint"

    return _each(arguments, act)


def run_resume(arguments: argparse.Namespace) -> int:
    """Start a process for each run and return 0."""

    def act(run: Run) -> str:
        launch(run)
        return "goes on in the background"

    return _each(arguments, act)


def run_delete(arguments: argparse.Namespace) -> int:
    """Move each run to the trash and return 0."""
    return _each(arguments, lambda run: f"is now {delete(run)}")


def run_restore(arguments: argparse.Namespace) -> int:
    """Move each run or study back from the trash and return 0."""
    done = []
    for name in arguments.runs:
        back = restore(name).name
        done.append({"name": name, "back": back})
        if not arguments.json:
            print(f"{name} is back as {back}")
    return _print_json(done) if arguments.json else 0


def run_trash(arguments: argparse.Namespace) -> int:
    """Print what is in the trash, or empty it; return 0."""
    found = list_trash()
    if arguments.json and not arguments.empty:
        return _print_json([
            {"name": each.name, "kind": "study" if each.is_study else "run", "runs": each.runs,
             "deleted": each.deleted, "bytes": each.size} for each in found
        ])  # fmt: skip
    rows = [
        (each.name, each.words, f"{datetime.fromtimestamp(each.deleted):%Y-%m-%d %H:%M}", file_size(each.size))
        for each in found
    ]
    if not found or not arguments.empty:
        print(table([("name", "what", "deleted", "size"), *rows]) if found else "The trash is empty.")
        return 0
    if not arguments.yes and not _agrees(sum(each.runs for each in found)):
        print("Nothing was deleted.")
        return 0
    count = empty_trash()
    if arguments.json:
        return _print_json({"deleted": count})
    print(f"{count} run{' is' if count == 1 else 's are'} deleted for good.")
    return 0


def run_compare(arguments: argparse.Namespace) -> int:
    """Print what differs between the runs and return 0."""
    runs = [find_run(name) for name in arguments.runs]
    records, settings = [summarise_run(run) for run in runs], differing_settings(runs)
    if arguments.json:
        return _print_json({"runs": [each.to_json() for each in records], "differing_settings": settings})
    rows = [("", *(each.name for each in records))]
    rows += [(name, *(plain(value) for value in values)) for name, values in settings.items()]
    if not settings:
        rows.append(("all settings", *("the same" for _ in records)))
    rows += [(name, *values) for name, *values in zip(HEAD, *(row(each) for each in records), strict=True)][4:6]
    print(table(rows))
    return 0


def row(found: RunSummary) -> tuple[str, ...]:
    """Return the cells of a run, in the order of :data:`HEAD`."""
    best = "-" if found.valid_auc is None else f"{found.valid_auc:.4f} ({found.best_epoch} of {found.epochs})"
    best += " flawed" if found.flaw and found.valid_auc is not None else ""
    started = "-" if found.started is None else f"{datetime.fromtimestamp(found.started):%Y-%m-%d %H:%M}"
    return (
        found.name,
        STATES[found.state].partition(":")[0].lower(),
        found.preset or "-",
        ", ".join(found.data) or "-",
        best,
        "-" if found.test_auc is None else str(found.test_auc),
        started,
        duration(found.seconds),
    )


def plain(value: Any) -> str:
    """Return the value of a setting as a person writes it."""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def table(rows: list[tuple[str, ...]]) -> str:
    """Return rows with columns under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows
    )


def _agrees(count: int) -> bool:
    """Whether the person at the terminal says yes.

    Raises:
        RunError: nobody is there to be asked.
    """
    if not sys.stdin.isatty():
        raise RunError(f"Emptying the trash deletes {count} runs for good. Say --yes where nobody can be asked.")
    return input(f"Delete {count} runs for good? [y/N] ").strip().lower() in ("y", "yes")


def _each(arguments: argparse.Namespace, action: Callable[[Run], str]) -> int:
    done = []
    for run in [find_run(name) for name in arguments.runs]:  # a name that is wrong is said before anything is done
        said = action(run)
        done.append({"run": run.name, "done": said})
        if not arguments.json:
            print(f"{run.name} {said}")
    return _print_json(done) if arguments.json else 0


def _print_json(value: Any) -> int:
    print(json.dumps(value, indent=2, ensure_ascii=False))
    return 0
