"""``python -m core lr``: which learning rate to take."""

import argparse
from pathlib import Path
from typing import Any

from core.commands.options import check_folder, progress_line
from core.commands.train import add_training, config_of
from core.storage import atomic
from core.training.preflight.lr_finder import STEPS, find_learning_rate


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "lr",
        help="suggest a learning rate",
        description="Train a fresh network for some steps while the learning rate rises from 1e-6 to 1, and suggest "
        "one by how the loss falls. Nothing is kept but the curve.",
    )
    parser.add_argument("--steps", type=int, default=STEPS, help=f"default: {STEPS}")
    parser.add_argument(
        "--csv", type=Path, default=Path("learning-rate.csv"), metavar="FILE", help="default: learning-rate.csv"
    )
    add_training(parser, without=("learning_rate", "epochs", "patience"))
    parser.set_defaults(run=run_lr)


def run_lr(arguments: argparse.Namespace) -> int:
    """Print the suggestion, write the curve and return 0."""
    check_folder(arguments.csv)
    curve = find_learning_rate(
        config_of(arguments), steps=arguments.steps, progress=progress_line("Trying learning rates")
    )
    atomic.write_text(arguments.csv.expanduser(), curve.to_csv())
    print(curve.sentence())
    print(f"The curve is in {arguments.csv}.")
    return 0
