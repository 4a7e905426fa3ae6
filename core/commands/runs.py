"""``python -m core runs``: list, show, stop, resume, compare, delete and restore runs."""

import sys
import textwrap
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import click

from core.commands import options
from core.commands.output import print_json, table
from core.commands.parsing import Group
from core.errors import RunError
from core.formatting import duration, file_size
from core.runs import (
    GRACE_SECONDS,
    Run,
    RunSummary,
    differing_settings,
    find_run,
    list_runs,
    stop,
    stop_and_wait,
    summarise_run,
    titles,
)
from core.runs.launch import launch
from core.runs.moved_data import move_data
from core.studies.trash import delete, empty_trash, list_trash, restore, what_loses
from core.work_folder import STATES

HEAD = (
    "run", "state", "preset", "data", "best validation AUC (epoch)", "test AUC", "slides in training", "started",
    "elapsed", "tags", "folder", "why",
)  # fmt: skip
SOMETIMES = {"slides in training": ("", "no"), "tags": ("",), "folder": ("",), "why": ("",)}
"""Columns that a list lacks where all runs have one of these values."""

WHY = 70
"""Letters of the reason why a run failed, in the list; `show` has all of them."""

command = Group("runs", help="Look after runs, whoever started them. RUN is a run's name, its folder's, or a path.")
names = click.argument("runs", nargs=-1, required=True, metavar="RUN...")


@command.command("list")
@options.as_json
def run_list(as_json: bool) -> None:
    """List all runs, newest first."""
    found = [summarise_run(run) for run in list_runs()]
    if as_json:
        print_json([each.to_json() for each in found])
    else:
        rows = [HEAD, *(row(each) for each in found)]
        # Names and tags are for those who use them, for example: a column that tells nothing takes no room.
        used = [cells for cells in zip(*rows, strict=True) if set(cells[1:]) - set(SOMETIMES.get(cells[0], (None,)))]
        print(table([*zip(*used, strict=True)]) if found else "No runs yet: python -m core train")


@command.command("show")
@click.argument("name", metavar="RUN")
@options.as_json
def run_show(name: str, as_json: bool) -> None:
    """Show what a run is and how far it got."""
    run = find_run(name)
    found = summarise_run(run)
    metrics = run.metrics()
    if as_json:
        settings = run.config().to_json()
        print_json({**found.to_json(), "settings": settings, "metrics": metrics.to_dict(orient="records")})
        return
    notes = (("why", found.message), ("flaw", found.flaw), ("notes", found.notes), ("path", found.path))
    for title, value in (each for each in (*zip(HEAD[:-1], row(found)[:-1], strict=True), *notes) if each[1]):
        print(f"{title + ':':<24} {value}")
    if not metrics.empty:
        print(metrics.tail(10).to_string(index=False, float_format="{:.4f}".format))


@command.command("stop")
@names
@options.option(
    "--grace",
    type=float,
    is_flag=False,
    flag_value=GRACE_SECONDS,
    metavar="[SECONDS]",
    help=f"Wait for the end, by default {GRACE_SECONDS:.0f} s, then kill the process.",
)
@options.as_json
def run_stop(runs: tuple[str, ...], grace: float | None, as_json: bool) -> None:
    """Ask runs to finish their step, save and end."""

    def act(run: Run) -> str:
        if grace is None:
            stop(run)
            return "is stopping"
        if stop_and_wait(run, grace=grace):
            return "has stopped"
        return f"did not stop within {grace:g} s and was killed; it can be resumed from its last checkpoint"

    _each(runs, as_json, act)


@command.command("resume")
@names
@options.data(required=False, multiple=True, help="Where the data of the runs has moved to; it must be the same data.")
@options.as_json
def run_resume(runs: tuple[str, ...], data: tuple[str, ...], as_json: bool) -> None:
    """Go on with runs in the background."""

    def act(run: Run) -> str:
        if data:
            move_data(run, data)
        launch(run)
        return "goes on in the background"

    _each(runs, as_json, act)


@command.command("delete")
@names
@options.as_json
def run_delete(runs: tuple[str, ...], as_json: bool) -> None:
    """Move runs to the trash, from which restore brings them back."""

    def act(run: Run) -> str:
        loss = what_loses(run)
        return f"is now {delete(run)}" + (f". {loss}" if loss else "")

    _each(runs, as_json, act)


@command.command("rename")
@click.argument("name", metavar="RUN")
@click.argument("title", metavar="NAME")
@options.as_json
def run_rename(name: str, title: str, as_json: bool) -> None:
    """Give a run a name for people; "" takes it away. Its folder keeps its own."""

    def act(run: Run) -> str:
        run.rename(title)
        return f"is called {run.title()}"

    _each((name,), as_json, act)


@command.command("tag")
@click.argument("tag")
@names
@options.option("--remove", is_flag=True, help="Take the tag from them.")
@options.as_json
def run_tag(tag: str, runs: tuple[str, ...], remove: bool, as_json: bool) -> None:
    """Give runs a tag, or take it from them."""

    def act(run: Run) -> str:
        run.write_tags({*run.tags()} - {tag} if remove else {*run.tags(), tag})
        return f"has the tags {', '.join(run.tags())}" if run.tags() else "has no tags"

    _each(runs, as_json, act)


@command.command("restore")
@names
@options.as_json
def run_restore(runs: tuple[str, ...], as_json: bool) -> None:
    """Move runs, and studies with their runs, from the trash back."""
    done = []
    for name in runs:
        back = restore(name).name
        done.append({"name": name, "back": back})
        if not as_json:
            print(f"{name} is back" + ("" if back == name else f" as {back}"))
    if as_json:
        print_json(done)


@command.command("trash")
@options.option("--empty", is_flag=True, help="Delete all of it for good, after a question.")
@options.option("--yes", is_flag=True, help="With --empty, do not ask.")
@options.as_json
def run_trash(empty: bool, yes: bool, as_json: bool) -> None:
    """List what was deleted, the last one first."""
    found = list_trash()
    if as_json and not empty:
        print_json([
            {"name": each.name, "kind": "study" if each.is_study else "run", "runs": each.runs,
             "deleted": each.deleted, "bytes": each.size} for each in found
        ])  # fmt: skip
        return
    rows = [
        (each.name, each.description, f"{datetime.fromtimestamp(each.deleted):%Y-%m-%d %H:%M}", file_size(each.size))
        for each in found
    ]
    if not found or not empty:
        print(table([("name", "what", "deleted", "size"), *rows]) if found else "The trash is empty.")
        return
    if not yes and not _agrees(sum(each.runs for each in found)):
        print("Nothing was deleted.")
        return
    count = empty_trash()
    if as_json:
        print_json({"deleted": count})
    else:
        print(f"{count} run{' is' if count == 1 else 's are'} deleted for good.")


@command.command("compare")
@names
@options.as_json
def run_compare(runs: tuple[str, ...], as_json: bool) -> None:
    """Compare the settings in which runs differ, and their results."""
    opened = [find_run(name) for name in runs]
    found, settings = [summarise_run(run) for run in opened], differing_settings(opened)
    if as_json:
        print_json({"runs": [each.to_json() for each in found], "differing_settings": settings})
        return
    rows = [("", *titles(found))]
    rows += [(name, *(plain(value) for value in values)) for name, values in settings.items()]
    if not settings:
        rows.append(("all settings", *("the same" for _ in found)))
    # Of the cells of the list only what was measured, and the folders; the differing settings stand above.
    kept = (*HEAD[4:7], "folder")
    rows += [
        (name, *values) for name, *values in zip(HEAD, *(row(each) for each in found), strict=True)
        if name in kept and any(values)
    ]  # fmt: skip
    print(table(rows))


def row(found: RunSummary) -> tuple[str, ...]:
    """Return the cells of a run, in the order of :data:`HEAD`."""
    best = "-" if found.valid_auc is None else f"{found.valid_auc:.3f} ({found.best_epoch} of {found.epochs})"
    best += " flawed" if found.flaw and found.valid_auc is not None else ""
    started = "-" if found.started is None else f"{datetime.fromtimestamp(found.started):%Y-%m-%d %H:%M}"
    return (
        found.title or found.name,
        STATES[found.state].label.lower(),
        found.preset or "-",
        ", ".join(found.data) or "-",
        best,
        "-" if found.test_auc is None else str(found.test_auc),
        found.slides_in_training,
        started,
        duration(found.seconds),
        ", ".join(found.tags),
        found.name if found.given_name else "",
        textwrap.shorten(found.message, WHY, placeholder=" …") if found.state in ("failed", "damaged") else "",
    )


def plain(value: Any) -> str:
    """Return the value of a setting as a person writes it."""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _agrees(count: int) -> bool:
    """Whether the person at the terminal says yes.

    Raises:
        RunError: standard input is no terminal.
    """
    if not sys.stdin.isatty():
        raise RunError(f"Emptying the trash deletes {count} runs for good. Add --yes where there is no terminal.")
    return input(f"Delete {count} runs for good? [y/N] ").strip().lower() in ("y", "yes")


def _each(names: Sequence[str], as_json: bool, action: Callable[[Run], str]) -> None:
    """Do something to each run and print what was done."""
    done = []
    for run in [find_run(name) for name in names]:  # a wrong name is reported before anything is done
        done.append({"run": run.name, "done": action(run)})
        if not as_json:
            print(f"{run.name} {done[-1]['done']}")
    if as_json:
        print_json(done)
