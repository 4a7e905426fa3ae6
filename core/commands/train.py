"""``python -m core train``: train a network, or go on with a run."""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.bundle import load_bundle
from core.bundle.shipped import bundle_file
from core.commands.options import add_device, progress_line
from core.data.decisions import NONE, decisions_of
from core.data.open import recognise
from core.data.split_file import load_split
from core.data.splits import CHOICES
from core.errors import ConfigError, NodescopeError, RunError
from core.runs import PRESETS, Run, TrainingConfig, create_run, open_run, preset
from core.training.distributed import ProcessGroup
from core.training.execute import execute
from core.training.preflight.cost import estimate
from core.training.trainer import logger

SETTINGS = {
    "model": (str, "network, see `python -m core info --models`"),
    "pretrained": (str, "weights to start from: none, imagenet, or a file"),
    "epochs": (int, "passes over the training patches"),
    "batch_size": (int, "patches a step"),
    "learning_rate": (float, "largest learning rate"),
    "head_learning_rate": (float, "largest learning rate of the last layer, where it has its own"),
    "weight_decay": (float, "weight decay"),
    "patience": (int, "end after so many epochs without a better validation AUC; 0 never does"),
    "clip": (float, "largest norm of the gradient; 0 never shortens it"),
    "balance": (str, "classes that are not alike in number: none, weights (in the loss) or sampling"),
    "label_smoothing": (float, "targets become this much / 2 and 1 - this much / 2"),
    "ema": (float, "decay of the moving average of the weights that is validated and shipped; 0 is none"),
    "distillation": (float, "share of the loss towards the teachers' answer; the rest is towards the label"),
    "frozen_epochs": (int, "so many epochs train the last layer alone, before the rest is thawed"),
    "precision": (str, "auto, fp32, bf16 or, on a GPU, fp16"),
    "compile": (str, "auto tries torch.compile first; off (default) does not"),
    "tracker": (str, "tell the figures of each epoch to tensorboard or mlflow too"),
    "seed": (int, "seed of order, augmentation, dropout and initial weights"),
    "decisions": (str, "a file with decisions about patches to obey instead of the data set's own; none obeys none"),
    "split": (str, "default, patch, slide, stratified, colour, official, or a file of `python -m core split`"),
    "split_seed": (int, "seed of a split into training, validation and test patches that is drawn"),
    "folds": (int, "divide into so many folds, one of which is the test part; 0 has none"),
    "fold": (int, "which fold is the test part, from 0 on"),
    "patches": (int, "learn from so many labelled training patches of the first data set, at random; 0 is all"),
}


AUGMENTATION = {
    "stain": "spread of the factor on haematoxylin and eosin, such as 0.2",
    "brightness": "spread of a shift of the optical density, such as 0.05",
    "rotation": "largest turn about the centre in degrees",
    "blur": "largest standard deviation of a blur in pixels, at most 2",
    "cutout": "share of the patches that lose a square off the centre",
    "moved": "share of the patches that are moved, so that other tissue is in the centre; teachers alone teach them",
}
"""Random changes of training patches that take a number."""

SWITCHES = {
    "symmetries": "turn and flip training patches; on unless the preset's network is symmetric itself",
    "unlabelled": "learn from the data's unlabelled patches too, by the teachers' answers alone",
}


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "train",
        help="train a network",
        description="Train a network. The run's folder holds its settings, progress, checkpoints, log and, in the end, "
        "its bundle. Ctrl+C ends it; --resume goes on from the last checkpoint.",
    )
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="a new folder for the run (default: one is made)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --run-dir")
    parser.add_argument("--quiet", action="store_true", help="write to the run's log only")
    parser.add_argument("--estimate", action="store_true", help="say what it would cost, from a few steps, and end")
    add_training(parser)
    parser.set_defaults(run=run_train)


def add_training(parser: argparse.ArgumentParser, *, without: Sequence[str] = ()) -> None:
    """Add the options that say what is trained, for :func:`config_of`.

    Args:
        parser: of a command.
        without: names in :data:`SETTINGS` that the command decides itself.
    """
    parser.add_argument(
        "--data",
        action="append",
        metavar="DIR|demo",
        help="a Kaggle or PCam folder, or 'demo' (default); may be given more than once: the first one validates, the "
        "others only add patches",
    )
    parser.add_argument("--preset", choices=list(PRESETS), default=None, help="settings to start from (default: quick)")
    for name, (kind, text) in SETTINGS.items():
        if name not in without:
            parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=text)
    for name, text in AUGMENTATION.items():
        parser.add_argument(f"--{name}", type=float, help=text)
    for name, text in SWITCHES.items():
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, default=None, help=text)
    parser.add_argument(
        "--teacher",
        action="append",
        type=Path,
        metavar="FILE",
        help="a bundle to learn from with --distillation; may be given more than once",
    )
    add_device(parser)
    parser.set_defaults(device=None, **dict.fromkeys(without))


def run_train(arguments: argparse.Namespace) -> int:
    """Train and return the exit status: 0 finished or stopped as asked, 1 failed, 2 could not start."""
    if arguments.estimate:
        print(estimate(config_of(arguments), progress=progress_line("Measuring a few steps")).sentence())
        return 0
    if arguments.quiet:
        return _train(arguments)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    try:
        return _train(arguments)
    finally:
        logger.removeHandler(handler)


def _train(arguments: argparse.Namespace) -> int:
    logger.propagate = False
    logger.setLevel(logging.INFO)
    if arguments.resume:
        _check_resume(arguments)
    config = open_run(arguments.run_dir).config() if arguments.resume else config_of(arguments)
    group = ProcessGroup(config.device)
    run = open_run(Path(group.from_main(str(_run(arguments, config).path) if group.is_main else "")))
    if not group.is_main:
        logger.setLevel(logging.WARNING)  # the main process speaks for all
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
    return 0


def _run(arguments: argparse.Namespace, config: TrainingConfig) -> Run:
    if not arguments.resume:
        return create_run(config, arguments.run_dir)
    run = open_run(arguments.run_dir)
    if run.status().state == "finished":
        raise RunError(f"The run {run.name} is finished; its bundle is {run.bundle_path}.")
    return run


def _check_resume(arguments: argparse.Namespace) -> None:
    if arguments.run_dir is None:
        raise ConfigError("--resume needs --run-dir, the folder of the run to go on with.")
    refuse_training(arguments)


def refuse_training(arguments: argparse.Namespace, **others: object) -> None:
    """See that no setting is given to what goes on with those it was made with.

    Args:
        arguments: what was given.
        others: the command's own settings by the name of their option; what is None was not given.

    Raises:
        ConfigError: a setting was given.
    """
    names = (*SETTINGS, *AUGMENTATION, *SWITCHES, "data", "preset", "device", "teacher")
    values = {**{name: getattr(arguments, name) for name in names}, **others}
    given = [name for name, value in values.items() if value is not None]
    if given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        what = "study" if others else "run"
        raise ConfigError(
            f"A {what} goes on with the settings it was made with; leave out {options}, or start a new {what}."
        )


def config_of(arguments: argparse.Namespace) -> TrainingConfig:
    """Return the settings that the options of :func:`add_training` ask for.

    Raises:
        ConfigError: they do not fit.
        DataError: a path is no data set; so a mistyped one leaves no run behind.
        BundleError: a teacher is none.
    """
    config = preset(arguments.preset or "quick")
    changes = _given(arguments, *SETTINGS, "device", "unlabelled")
    augmentation = _given(arguments, *AUGMENTATION, "symmetries")
    if augmentation:
        changes["augmentation"] = replace(config.augmentation, **augmentation)
    if arguments.teacher:
        changes["teachers"] = tuple(str(bundle_file(path).resolve()) for path in arguments.teacher)
    if arguments.split and arguments.split not in CHOICES:
        changes["split"] = str(Path(arguments.split).expanduser().resolve())
        load_split(Path(changes["split"]))  # reads it, or says why not
    if arguments.decisions and arguments.decisions != NONE:
        changes["decisions"] = str(Path(arguments.decisions).expanduser().resolve())
        decisions_of("", changes["decisions"])  # reads it, or says why not
    if arguments.data:
        changes["data"] = tuple(
            source if source == "demo" else str(Path(source).resolve()) for source in arguments.data
        )
    config = config.with_changes(**changes)
    for source in config.data:
        recognise(source)
    for teacher in config.teachers:
        load_bundle(teacher)
    return config


def _given(arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    values = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}
