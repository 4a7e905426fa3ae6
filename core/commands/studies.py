"""``python -m core studies``: look at studies of all kinds, stop them, go on with them."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.commands.runs import table
from core.errors import ConfigError, NodescopeError, RunError
from core.evaluation import METRICS
from core.job import JobStatus
from core.studies.cross_validation import BY_NAMES, finished_folds, folds_result, work_on_folds
from core.studies.learning_curve import EQUAL_NAMES, conclusion, curve_result, work_on_curve
from core.studies.learning_curve_result import SHOWN as CURVE_SHOWN
from core.studies.search import search_result, work_on_search
from core.studies.study import (
    KIND_NAMES,
    Kind,
    Study,
    list_studies,
    open_study,
    progress_of,
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


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "studies",
        help="list, show, stop, resume and delete cross-validations, searches and learning curves",
        description="Look after studies, whoever started them: cross-validations (python -m core folds), searches "
        "for settings (search) and learning curves (curve). Their runs are listed by `python -m core runs` too.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="all studies, newest first", description="All studies, newest first.")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=run_list)
    for name, text, action in (
        ("show", "what a study is and what came of it", run_show),
        ("stop", "ask a study to let the run in work finish its step, save, and end", run_stop),
        ("resume", "go on with a study in the background", run_resume),
        ("delete", "move a study and all its runs to the trash, from which restore brings them back", run_delete),
        ("restore", "move a study and its runs from the trash back", run_restore),
    ):
        each = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        each.add_argument("name", metavar="NAME", help="of the study")
        each.add_argument("--json", action="store_true", help="print JSON")
        each.set_defaults(run=action)
    work = actions.add_parser("work", description="What the page starts in the background.")
    work.add_argument("--job", type=Path, required=True, help="the study's folder")
    work.set_defaults(run=run_work)


def run_list(arguments: argparse.Namespace) -> int:
    """Print a row a study and return 0."""
    found = [_row(study) for study in list_studies()]
    if arguments.json:
        return _print_json(found)
    rows = [(each["study"], each["kind"], each["state"], f"{each['done']} of {each['runs']}") for each in found]
    head = ("study", "kind", "state", "runs done")
    print(table([head, *rows]) if rows else "No studies yet: python -m core folds, search or curve")
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Print all there is to say of a study and return 0."""
    study = open_study(arguments.name)
    if arguments.json:
        return _print_json({**_row(study), **study.about(), "results": study.results()})
    for name, value in {**_row(study), "why": study.status().message, "folder": study.path}.items():
        if value != "":
            print(f"{name + ':':<10} {value}")
    print(describe(study))
    return 0


def run_stop(arguments: argparse.Namespace) -> int:
    """Ask a study to stop and return 0."""
    study = open_study(arguments.name)
    if not study.status().is_active:
        raise RunError(f"Nothing works on the study {study.name}; its state is {study.status().state}.")
    study.request_stop()
    return _said(study, "is asked to stop", arguments)


def run_resume(arguments: argparse.Namespace) -> int:
    """Start a process for a study and return 0."""
    study = open_study(arguments.name)
    start_study(study)
    return _said(study, "goes on in the background", arguments)


def run_delete(arguments: argparse.Namespace) -> int:
    """Move a study and its runs to the trash and return 0."""
    study = open_study(arguments.name)
    return _said(study, f"is now {delete_study(study)}, and its runs with it", arguments)


def run_restore(arguments: argparse.Namespace) -> int:
    """Move a study and its runs back from the trash and return 0."""
    found = [each for each in list_trash() if each.name == arguments.name]
    if found and not found[0].is_study:
        raise RunError(f"{arguments.name} is a run: python -m core runs restore {arguments.name}")
    return _said(Study(restore(arguments.name).path), "is back, and its runs with it", arguments)


def run_work(arguments: argparse.Namespace) -> int:
    """Work on a study whose process this is, and return 0 if it is finished or was stopped, else 1."""
    study = Study(arguments.job)
    return _carry_out(study)


def carry_out(study: Study) -> int:
    """Work on a study in this process, print what comes of it, and return the exit status as ``train`` does."""
    study.withdraw_stop()
    print(f"Study: {study.path}", flush=True)
    status = _carry_out(study)
    if study.status().state == "finished":
        print(describe(study))
    elif not status:
        print(f"Stopped; go on with: python -m core {study.kind} --resume {study.name}")
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
            f"The study {name} is a {KIND_NAMES[study.kind]}: python -m core {study.kind} --resume {name}"
        )
    return study


def describe(study: Study) -> str:
    """Return what has come of a study so far as a table and a few sentences."""
    return DESCRIBE[study.kind](study)


def _carry_out(study: Study) -> int:
    try:
        WORK[study.kind](study, notify=lambda words: print(words, flush=True))
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
        figures = ("-",) * len(SHOWN) if found is None else tuple(str(found.figures[name]) for name in SHOWN)
        rows.append((str(fold.number), str(fold.n), str(fold.positives), *figures))
    if result is not None:
        pooled = result.pooled
        rows.append(("mean", "", "", *(str(result.mean[name]) for name in SHOWN)))
        rows.append(("pooled", str(pooled.n), str(pooled.positives), *(str(pooled.figures[each]) for each in SHOWN)))
    lines = [f"{settings['folds']} folds of {BY_NAMES[settings['by']]}", table(rows)]
    if result is not None:
        over = f"{pooled.slides} slides" if pooled.resampled == "slide" else "patches (slides unknown)"
        lines.append(f"Mean over folds: corrected resampled t. Pooled: out-of-fold predictions, interval over {over}.")
        if result.left_out:
            lines.append(f"Left out: {result.left_out} unreadable patches")
    return "\n".join(lines)


def _describe_search(study: Study) -> str:
    result = search_result(study)
    names = [axis["name"] for axis in study.settings()["over"]]
    rows = [("trial", "state", "epochs", "valid AUC", *names)]
    for each in result.trials:
        values = (_short(each.values.get(name, "-")) for name in names)
        rows.append((str(each.number), each.state, str(each.epochs), _short(each.auc or "-", 4), *values))
    lines = [table(rows)]
    if result.best is not None:
        lines.append(f"Best: trial {result.best.number}, validation AUC {result.best.auc:.4f}, run {result.best.run}")
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
            f"{point.size:,}", *(str(point.figure(name)) for name in CURVE_SHOWN), *spreads,
            "-" if gain is None else gain.words(), f"{each.epochs:,}", f"{each.steps:,}",
        ))  # fmt: skip
    lines = [table(rows), f"Learning curve with {EQUAL_NAMES[settings['equal']]}", *conclusion(study)]
    if len(lines) > 2 and not several:
        lines.append(f"This curve has one seed. For more of them: python -m core curve --resume {study.name} --seeds 3")
    return "\n".join(lines)


DESCRIBE: dict[Kind, Callable[[Study], str]] = {
    "folds": _describe_folds,
    "search": _describe_search,
    "curve": _describe_curve,
}


def _short(value: Any, digits: int = 3) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def _row(study: Study) -> dict[str, Any]:
    try:
        progress = progress_of(study)
    except NodescopeError:
        return {"study": study.name, "kind": "-", "state": "damaged", "done": 0, "runs": 0}
    state = STATES[progress.status.state].label.lower()
    return {"study": study.name, "kind": study.kind, "state": state, "done": progress.done, "runs": progress.total}


def _said(study: Study, words: str, arguments: argparse.Namespace) -> int:
    if arguments.json:
        return _print_json({"study": study.name, "done": words})
    print(f"{study.name} {words}")
    return 0


def _print_json(value: Any) -> int:
    print(json.dumps(value, indent=2, ensure_ascii=False))
    return 0
