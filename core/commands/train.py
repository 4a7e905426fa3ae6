"""``python -m core train``: train a network, or go on with a run."""

import functools
import logging
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from core.bundle import load_bundle
from core.bundle.shipped import bundle_file
from core.commands import options
from core.commands.output import print_json, progress_line
from core.data.decisions import NONE, decisions_of
from core.data.open import logger as data_logger
from core.data.open import recognise
from core.data.split_file import load_split
from core.data.split_rule import CHOICES
from core.errors import ConfigError, NodescopeError, RunError
from core.runs import PRESETS, Run, TrainingConfig, create_run, open_run, preset
from core.runs.described import checked_title
from core.runs.moved_data import move_data
from core.runs.setting import Setting
from core.runs.settings import GROUPS
from core.training.distributed import ProcessGroup, train_together
from core.training.execute import execute
from core.training.preflight.cost import estimate
from core.training.trainer import logger

PRESET = "quick"
TYPES = {"count": (int, "N"), "number": (float, "X"), "choice": (str, "NAME"), "text": (str, "TEXT")}
"""Type and placeholder of the value of an option, by the kind of its setting."""


def training(*, without: Collection[str] = ()) -> options.Decorator:
    """Return the decorator for the options that say what is trained but for those `without`, for :func:`config_of`."""
    decorators = [
        options.data(
            required=False,
            multiple=True,
            show_default="demo",
            help=f"{options.DATA_HELP} May be given more than once: the first one validates unless "
            "--validation-data says otherwise, the others only add patches.",
        ),
        options.option(
            "--preset",
            type=click.Choice(list(PRESETS)),
            metavar="NAME",
            show_default=PRESET,
            help=f"Settings to start from: {', '.join(PRESETS)}. The defaults below are those of {PRESET}.",
        ),
        options.option(
            "--device",
            type=options.DeviceName(),
            metavar="NAME",
            show_default="auto",
            help=options.DEVICE_HELP,
        ),
        *(_option(group, each) for group in GROUPS for each in GROUPS[group] if each.name not in without),
    ]

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        # Click lists options from the outermost decorator on.
        return functools.reduce(lambda inner, decorator: decorator(inner), reversed(decorators), function)

    return decorate


def _option(group: str, setting: Setting) -> options.Decorator:
    """Return the decorator for the option of a setting; what is not given has no value and stays as in the preset."""
    name = setting.name.replace("_", "-")
    value = preset(PRESET).value(setting.name)
    if setting.kind == "switch":
        return options.option(
            f"--{name}/--no-{name}", setting.name, default=None, help=setting.help, group=group,
            show_default="on" if value else "off",
        )  # fmt: skip
    if setting.kind == "paths":
        return options.option(
            f"--{name.removesuffix('s')}", setting.name, multiple=True, type=options.PATH, metavar="FILE", group=group,
            help=f"{setting.help} May be given more than once.",
        )  # fmt: skip
    kind, placeholder = TYPES[setting.kind]
    limits = " ".join(filter(None, (setting.limits, setting.unit)))
    return options.option(
        f"--{name}",
        type=kind,
        metavar=placeholder,
        help=f"{setting.help} Allowed: {limits}." if limits else setting.help,
        show_default=f"{value}" if value not in (None, "") else None,
        group=group,
    )


@options.command("train")
@options.option("--run-dir", type=options.PATH, metavar="DIR", help="New folder for the run; without it, one is made.")
@options.option("--name", metavar="TEXT", help="Name of the run for people, as on the page; its folder keeps its own.")
@options.option("--resume", is_flag=True, help="Go on with the run in --run-dir; with --data, where "
                "its data has moved to.")  # fmt: skip
@options.option(
    "--processes", type=click.IntRange(1, 64), default=1, metavar="N", help="Train on N GPUs, by accelerate launch."
)
@options.option("--quiet", is_flag=True, help="Write to the run's log only.")
@options.option("--estimate", "only_estimate", is_flag=True, help="Say what it would cost, from a few steps, and end.")
@options.option("--json", "as_json", is_flag=True, help="Print JSON, with --estimate.")
@training()
def command(
    run_dir: Path | None,
    name: str | None,
    resume: bool,
    processes: int,
    quiet: bool,
    only_estimate: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Train a network.

    The run's folder holds its settings, progress, checkpoints, log and, in the end, its bundle. Ctrl+C ends it;
    --resume goes on from the last checkpoint. The exit status is 1 if the training failed.
    """
    if only_estimate:
        cost = estimate(config_of(given), progress=progress_line("Measuring a few steps"))
        if as_json:
            print_json(asdict(cost))
        else:
            print(cost.sentence())
        return 0
    if as_json:
        raise ConfigError("--json goes with --estimate; `python -m core runs show RUN --json` prints a run's metrics.")
    if quiet:
        return _train(run_dir, name, resume, given, processes, quiet=True)
    # Removed again, because main() may be called several times in a process, and each line would then be repeated.
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for each in (logger, data_logger):
        each.addHandler(handler)
    # The log of the run has every line too: a training goes on without its reader, as in `... | head`, and quietly.
    logging.raiseExceptions = False
    try:
        return _train(run_dir, name, resume, given, processes, quiet=False)
    finally:
        for each in (logger, data_logger):
            each.removeHandler(handler)


def _train(
    run_dir: Path | None, name: str | None, resume: bool, given: Mapping[str, Any], processes: int, *, quiet: bool
) -> int:
    logger.propagate = False
    logger.setLevel(logging.INFO)
    if resume:
        if run_dir is None:
            raise ConfigError("--resume needs --run-dir, the folder of the run to go on with.")
        given = dict(given)
        moved = given.pop("data", ())
        refuse_training({**given, "name": name})
        if moved:
            move_data(open_run(run_dir), moved)
    config = open_run(run_dir).config() if resume and run_dir is not None else config_of(given)
    if processes > 1:
        return train_together(_run(run_dir, name, resume, config), processes, quiet=quiet)
    group = ProcessGroup(config.device)
    # The main process makes the folder; the others of a distributed training take its path from there.
    run = open_run(Path(group.from_main(str(_run(run_dir, name, resume, config).path) if group.is_main else "")))
    if not group.is_main:
        for each, level in ((logger, logging.WARNING), (data_logger, logging.ERROR)):
            each.setLevel(level)  # else each process would print every line
    logger.info("Run: %s", run.path)
    try:
        execute(run)
    except NodescopeError as error:
        if not group.is_main:
            return 1  # the main process says why
        if not run.is_there():
            print(f"error: {error}", file=sys.stderr)  # its log is gone too
            return 1
        if run.status().state != "failed":
            raise  # it did not start, such as when another process works on it
        return 1  # the sentence is in the log and, unless quiet, on screen
    finally:
        data_logger.setLevel(logging.NOTSET)
    return 0


def _run(run_dir: Path | None, name: str | None, resume: bool, config: TrainingConfig) -> Run:
    if not resume or run_dir is None:
        title = checked_title(name or "")  # before there is a run
        run = create_run(config, run_dir)
        if title:
            run.rename(title)
        return run
    run = open_run(run_dir)
    if run.status().state == "finished":
        raise RunError(f"The run {run.name} is finished; its bundle is {run.bundle_path}.")
    return run


def refuse_training(given: Mapping[str, Any], **others: object) -> None:
    """See that no setting is given to what goes on with those it was made with.

    Args:
        given: the values of the options of :func:`training`.
        others: the command's own settings by the name of their option; what is None was not given.

    Raises:
        ConfigError: a setting was given.
    """
    names = [name for name, value in {**given, **others}.items() if value not in (None, ())]
    if names:
        flags = ", ".join("--teacher" if name == "teachers" else f"--{name.replace('_', '-')}" for name in names)
        what = "study" if others else "run"
        raise ConfigError(
            f"A {what} goes on with the settings it was made with; leave out {flags}, or start a new {what}."
        )


def config_of(given: Mapping[str, Any]) -> TrainingConfig:
    """Return the settings that the options of :func:`training` stand for.

    Raises:
        ConfigError: they do not fit.
        DataError: a path is no data set; so a mistyped one leaves no run behind.
        BundleError: a teacher is none.
    """
    # False stays: it is a switch that was turned off, against a preset that has it on.
    changes = {name: value for name, value in given.items() if value not in (None, ())}
    config = preset(changes.pop("preset", PRESET))
    if "teachers" in changes:
        changes["teachers"] = tuple(str(bundle_file(path).resolve()) for path in changes["teachers"])
    if changes.get("split", CHOICES[0]) not in CHOICES:
        changes["split"] = str(Path(changes["split"]).expanduser().resolve())
        load_split(Path(changes["split"]))  # reads it, or says why not
    if changes.get("decisions", NONE) != NONE:
        changes["decisions"] = str(Path(changes["decisions"]).expanduser().resolve())
        decisions_of("", changes["decisions"])  # reads it, or says why not
    if "data" in changes:
        # Absolute, because the run keeps the path and is resumed from any folder.
        changes["data"] = tuple(
            source if source == "demo" else str(Path(source).resolve()) for source in changes["data"]
        )
    config = config.with_changes(**changes)
    for source in config.data:
        recognise(source)
    for teacher in config.teachers:
        load_bundle(teacher)
    return config
