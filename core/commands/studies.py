"""``python -m core studies``: list, show, stop, resume, delete and restore studies of all kinds."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from core.cluster import HERE, Where
from core.commands import options
from core.commands.output import print_json, table
from core.commands.parsing import Group
from core.errors import ConfigError, NodescopeError, RunError
from core.evaluation import METRICS
from core.job import JobStatus
from core.studies.cross_validation import BY_NAMES, finished_folds, folds_result, work_on_folds
from core.studies.learning_curve import EQUAL_NAMES, conclusion, curve_result, work_on_curve
from core.studies.learning_curve_result import SHOWN as CURVE_SHOWN
from core.studies.progress import progress_of
from core.studies.search import search_result, work_on_search
from core.studies.study import (
    KIND_NAMES,
    Kind,
    Study,
    list_studies,
    move_study_data,
    open_study,
    start_study,
)
from core.studies.trash import delete_study, list_trash, restore
from core.work_folder import STATES

SHOWN = ("auc", "accuracy", "sensitivity", "specificity")
WORK: dict[Kind, Callable[..., JobStatus]] = {
    "folds": work_on_folds,
    "search": work_on_search,
    "curve": work_on_curve,
}
COMMANDS: dict[Kind, str] = {"folds": "cross-validate", "search": "search", "curve": "learning-curve"}
"""The command that makes a study of each kind and goes on with it."""

command = Group(
    "studies",
    help="Look after cross-validations, searches and learning curves, whoever started them. Their runs are listed by "
    "`python -m core runs` too.",
)
study_name = click.argument("name")
name_option = options.option("--name", help="Name of the study, with which those of its runs begin.")
resume_option = options.option(
    "--resume", metavar="NAME", help="Go on with a study that was stopped, killed or finished."
)


@command.command("list")
@options.as_json
def run_list(as_json: bool) -> None:
    """List all studies, newest first."""
    found = [_row(study) for study in list_studies()]
    if as_json:
        print_json(found)
        return
    rows = [(each["study"], each["kind"], each["state"], f"{each['done']} of {each['runs']}") for each in found]
    head = ("study", "kind", "state", "runs done")
    print(table([head, *rows]) if rows else f"No studies yet: python -m core {', '.join(COMMANDS.values())}")


@command.command("show")
@study_name
@options.as_json
def run_show(name: str, as_json: bool) -> None:
    """Show what a study is and what came of it."""
    study = open_study(name)
    if as_json:
        print_json(_to_json(study))
        return
    for title, value in {**_row(study), "why": study.status().message, "folder": study.path}.items():
        if value != "":
            print(f"{title + ':':<10} {value}")
    print(DESCRIBE[study.kind](study))


@command.command("stop")
@study_name
@options.as_json
def run_stop(name: str, as_json: bool) -> None:
    """Ask a study to let the run in work finish its step, save, and end."""
    study = open_study(name)
    if not study.status().is_active:
        raise RunError(f"Nothing works on the study {study.name}; its state is {study.status().state}.")
    study.request_stop()
    _report(study, "is stopping", as_json)


@command.command("resume")
@study_name
@options.data(required=False, multiple=True, help="Where the data of the study has moved to; it must be the same data.")
@options.as_json
def run_resume(name: str, data: tuple[str, ...], as_json: bool) -> None:
    """Go on with a study in the background."""
    study = open_study(name)
    if data:
        move_study_data(study, data)
    start_study(study)
    _report(study, "goes on in the background", as_json)


@command.command("delete")
@study_name
@options.as_json
def run_delete(name: str, as_json: bool) -> None:
    """Move a study and all its runs to the trash, from which restore brings them back."""
    study = open_study(name)
    _report(study, f"is now {delete_study(study)}, and its runs with it", as_json)


@command.command("restore")
@study_name
@options.as_json
def run_restore(name: str, as_json: bool) -> None:
    """Move a study and its runs from the trash back."""
    found = [each for each in list_trash() if each.name == name]
    if found and not found[0].is_study:
        raise RunError(f"{name} is a run: python -m core runs restore {name}")
    _report(Study(restore(name).path), "is back, and its runs with it", as_json)


@command.command("work", hidden=True)
@options.option("--job", type=options.PATH, required=True, metavar="DIR", help="The study's folder.")
@options.cluster
def run_work(job: Path, where: Where) -> int:
    """Work on a study in the background for the page."""
    return _carry_out(Study(job), say=_say, where=where)


def carry_out(study: Study, *, as_json: bool, where: Where = HERE) -> int:
    """Work on a study in this process, print what comes of it, and return the exit status as ``train`` does."""
    # With --json, nothing but JSON goes to the standard output.
    say = (lambda text: print(text, file=sys.stderr, flush=True)) if as_json else _say
    # A stop that was requested earlier would end the work before it begins.
    study.withdraw_stop()
    say(f"Study: {study.path}")
    status = _carry_out(study, say=say, where=where)
    if as_json:
        print_json(_to_json(study))
    elif study.status().state == "finished":
        print(DESCRIBE[study.kind](study))
    elif not status:
        print(f"Stopped; go on with: python -m core {COMMANDS[study.kind]} --resume {study.name}")
    return status


def open_kind(name: str, kind: Kind) -> Study:
    """Return the study of that name to go on with.

    Raises:
        RunError: there is none.
        ConfigError: it is of another kind.
    """
    study = open_study(name)
    if study.kind != kind:
        raise ConfigError(
            f"The study {name} is a {KIND_NAMES[study.kind]}: python -m core {COMMANDS[study.kind]} --resume {name}"
        )
    return study


def _say(text: str) -> None:
    print(text, flush=True)  # at once, also where the output is a file that somebody follows


def _carry_out(study: Study, *, say: Callable[[str], None], where: Where) -> int:
    try:
        WORK[study.kind](study, notify=say, where=where)
    except NodescopeError as error:
        if study.status().state != "failed":
            raise  # it did not start, such as when another process works on it
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _describe_folds(study: Study) -> str:
    settings, result = study.settings(), folds_result(study)
    rows = [("fold", "n", "tumour", *(METRICS[name].label for name in SHOWN))]
    for fold in finished_folds(study):
        found = fold.evaluation
        cells = ("-",) * len(SHOWN) if found is None else tuple(str(found.metrics[name]) for name in SHOWN)
        rows.append((str(fold.number), str(fold.n), str(fold.positives), *cells))
    if result is not None:
        pooled = result.pooled
        rows.append(("mean", "", "", *(str(result.mean[name]) for name in SHOWN)))
        rows.append(("pooled", str(pooled.n), str(pooled.positives), *(str(pooled.metrics[each]) for each in SHOWN)))
    lines = [f"{settings['folds']} folds of {BY_NAMES[settings['by']]}", table(rows)]
    if result is None and len(rows) > settings["folds"]:
        lines.append(f"Mean and pooled metrics: python -m core studies resume {study.name} puts them together.")
    if result is not None:
        over = pooled.described_slides if pooled.resampled != "patch" else "patches (slides unknown)"
        lines.append(f"Mean over folds: corrected resampled t. Pooled: out-of-fold predictions, interval over {over}.")
        if result.left_out:
            lines.append(f"Excluded: {result.left_out} unreadable patches")
    return "\n".join(lines)


def _describe_search(study: Study) -> str:
    result = search_result(study)
    names = [axis["name"] for axis in study.settings()["over"]]
    rows = [("trial", "state", "epochs", "validation AUC", *names)]
    for each in result.trials:
        values = (_short(each.values.get(name, "-")) for name in names)
        rows.append((str(each.number), each.state, str(each.epochs), _short(each.auc or "-", 4), *values))
    lines = [table(rows)]
    if result.best is not None:
        lines.append(f"Best: trial {result.best.number}, validation AUC {result.best.auc:.3f}, run {result.best.run}")
    if result.importance:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in result.importance.items())
        lines.append(f"What made trials differ: {shares}")
    return "\n".join(lines)


def _describe_curve(study: Study) -> str:
    result, settings = curve_result(study), study.settings()
    several = len(settings["seeds"]) > 1
    labels = [METRICS[name].label for name in CURVE_SHOWN]
    rows = [
        ("patches", *labels, *(f"{label} over seeds" for label in labels if several), "gain in AUC", "epochs", "steps")
    ]
    for point in result.points:
        gain, each = result.gain_to(point.size), point.runs[0]
        spreads = ("{:.3f}–{:.3f}".format(*point.spread(name)) for name in CURVE_SHOWN if several)
        rows.append((
            f"{point.size:,}", *(str(point.metric(name)) for name in CURVE_SHOWN), *spreads,
            "-" if gain is None else gain.describe(), f"{each.epochs:,}", f"{each.steps:,}",
        ))  # fmt: skip
    lines = [table(rows), f"Learning curve with {EQUAL_NAMES[settings['equal']]}", *conclusion(study)]
    if len(lines) > 2 and not several:
        lines.append(
            f"This curve has one seed. For more of them: python -m core learning-curve --resume {study.name} --seeds 3"
        )
    return "\n".join(lines)


DESCRIBE: dict[Kind, Callable[[Study], str]] = {
    "folds": _describe_folds,
    "search": _describe_search,
    "curve": _describe_curve,
}
"""How the results of a study of each kind so far are written as a table and a few sentences."""


def _short(value: Any, digits: int = 3) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def _row(study: Study) -> dict[str, Any]:
    # One damaged study must not hide the others from the list.
    try:
        progress = progress_of(study)
    except NodescopeError as error:
        return {"study": study.name, "kind": "-", "state": "damaged", "done": 0, "runs": 0, "why": str(error)}
    state, done, total = progress.status.state, progress.done, progress.total
    if state == "cancelled" and done == total:  # its stop came when the last run had ended
        state = "finished"
    return {
        "study": study.name, "kind": study.kind, "state": STATES[state].label.lower(), "done": done, "runs": total,
    }  # fmt: skip


def _to_json(study: Study) -> dict[str, Any]:
    return {**_row(study), **study.about(), "results": study.results()}


def _report(study: Study, done: str, as_json: bool) -> None:
    if as_json:
        print_json({"study": study.name, "done": done})
    else:
        print(f"{study.name} {done}")
