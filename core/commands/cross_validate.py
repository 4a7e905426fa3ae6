"""``python -m core folds``: cross-validation."""

import argparse
from typing import Any

from core.commands.studies import carry_out, open_kind
from core.commands.train import add_training, config_of, refuse_training
from core.studies.cross_validation import BY_NAMES, create_folds

FOLDS = 5


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "folds",
        help="cross-validation: each patch is tested by a model that never saw it",
        description="Divide the patches into folds and train a run for each, which is tested on it. The study's folder "
        "holds the out-of-fold predictions of all patches and the figures with their intervals; the runs are ordinary "
        "ones. Ctrl+C ends it; --resume goes on.",
    )
    parser.add_argument("--folds", type=int, dest="count", metavar="K", help=f"how many (default: {FOLDS})")
    parser.add_argument(
        "--by",
        choices=list(BY_NAMES),
        help="what stays together: whole slides (default where they are known), single patches, or single patches "
        "with both classes shared out evenly (default where slides are unknown)",
    )
    parser.add_argument("--name", help="of the study, with which the names of its runs begin (default: one is made)")
    parser.add_argument("--resume", metavar="NAME", help="go on with a study that was stopped or killed")
    add_training(parser, without=("split", "folds", "fold"))
    parser.set_defaults(run=run_folds)


def run_folds(arguments: argparse.Namespace) -> int:
    """Cross-validate and return the exit status: 0 finished or stopped as asked, 1 a run failed, 2 no start."""
    if arguments.resume is None:
        config = config_of(arguments)
        count = FOLDS if arguments.count is None else arguments.count
        return carry_out(create_folds(config, folds=count, by=arguments.by, name=arguments.name))
    refuse_training(arguments, folds=arguments.count, by=arguments.by, name=arguments.name)
    return carry_out(open_kind(arguments.resume, "folds"))
