"""``python -m core train``: train a network, or go on with a run."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from core.commands.options import add_device
from core.data.open import recognise
from core.errors import ConfigError, NodescopeError, RunError
from core.training import PRESETS, TrainingConfig, create_run, open_run, preset
from core.training.execute import execute
from core.training.loop import logger

SETTINGS = {
    "model": (str, "network, see `python -m core info --models`"),
    "pretrained": (str, "weights to start from: none, imagenet, or a file"),
    "epochs": (int, "passes over the training patches"),
    "batch_size": (int, "patches a step"),
    "learning_rate": (float, "largest learning rate"),
    "weight_decay": (float, "weight decay"),
    "patience": (int, "end after so many epochs without a better validation AUC; 0 never does"),
    "clip": (float, "largest norm of the gradient; 0 never shortens it"),
    "balance": (str, "classes that are not alike in number: none, weights (in the loss) or sampling"),
    "frozen_epochs": (int, "so many epochs train the last layer alone, before the rest is thawed"),
    "precision": (str, "auto, fp32 or bf16"),
    "seed": (int, "seed of order, augmentation, dropout and initial weights"),
    "split_seed": (int, "seed of a hashed split into training, validation and test patches"),
}


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "train",
        help="train a network",
        description="Train a network. The run's folder holds its settings, progress, checkpoints, log and, in the end, "
        "its bundle. Ctrl+C ends it; --resume goes on from the last checkpoint.",
    )
    parser.add_argument(
        "--data",
        action="append",
        metavar="DIR|demo",
        help="a Kaggle or PCam folder, or 'demo' (default); may be given more than once: the first one validates, the "
        "others only add patches",
    )
    parser.add_argument("--preset", choices=list(PRESETS), default=None, help="settings to start from (default: quick)")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="a new folder for the run (default: one is made)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --run-dir")
    parser.add_argument("--quiet", action="store_true", help="write to the run's log only")
    for name, (kind, text) in SETTINGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=text)
    add_device(parser)
    parser.set_defaults(run=run_train, device=None)


def run_train(arguments: argparse.Namespace) -> int:
    """Train and return the exit status: 0 finished or stopped as asked, 1 failed, 2 could not start."""
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
        run = open_run(arguments.run_dir)
        if run.status().state == "finished":
            raise RunError(f"The run {run.name} is finished; its bundle is {run.bundle_path}.")
    else:
        config = _config(arguments)
        for source in config.data:
            recognise(source)  # a mistyped path leaves no run behind
        run = create_run(config, arguments.run_dir)
    logger.info("Run: %s", run.path)
    try:
        execute(run)
    except NodescopeError:
        if run.status().state != "failed":
            raise  # it did not start, such as when another process works on it
        return 1  # the sentence is in the log and, unless quiet, on screen
    return 0


def _check_resume(arguments: argparse.Namespace) -> None:
    if arguments.run_dir is None:
        raise ConfigError("--resume needs --run-dir, the folder of the run to go on with.")
    given = [name for name in (*SETTINGS, "data", "preset", "device") if getattr(arguments, name) is not None]
    if given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ConfigError(f"A run goes on with the settings it was made with; leave out {options}, or start a new run.")


def _config(arguments: argparse.Namespace) -> TrainingConfig:
    config = preset(arguments.preset or "quick")
    changes = {name: getattr(arguments, name) for name in (*SETTINGS, "device")}
    changes = {name: value for name, value in changes.items() if value is not None}
    if arguments.data:
        changes["data"] = tuple(
            source if source == "demo" else str(Path(source).resolve()) for source in arguments.data
        )
    return config.with_changes(**changes)
