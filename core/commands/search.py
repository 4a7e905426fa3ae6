"""``python -m core search``: try settings out."""

import argparse
from typing import Any, get_args

from core.commands.studies import carry_out, open_kind
from core.commands.train import add_training, config_of, refuse_training
from core.studies.search import Pruner, create_search, extend_search
from core.studies.search_space import DEFAULT_OVER, SPACE

TRIALS = 20


def add(commands: Any) -> None:
    """Describe the command."""
    ranges = "; ".join(f"{axis.name} ({axis.describe()})" for axis in SPACE.values())
    parser: argparse.ArgumentParser = commands.add_parser(
        "search",
        help="search for good settings, each trial a run",
        description="Let Optuna choose settings, trial after trial, by the validation AUC. Each trial is an ordinary "
        "run and none is ever overwritten. Ctrl+C ends it; --resume goes on.",
        epilog=f"What can be searched, with its usual range: {ranges}.",
    )
    parser.add_argument("--trials", type=int, help=f"how many in all (default: {TRIALS}); more than before extends")
    parser.add_argument(
        "--over",
        metavar="NAME,...",
        help="what is varied; NAME=LOW:HIGH or NAME=A|B|C replaces its range (default: " + ",".join(DEFAULT_OVER) + ")",
    )
    parser.add_argument("--pruner", choices=get_args(Pruner), help="ends bad trials (default: median)")
    parser.add_argument("--search-seed", type=int, help="of the search; --seed is that of the trainings")
    parser.add_argument("--name", help="of the study, with which the names of its runs begin (default: one is made)")
    parser.add_argument("--resume", metavar="NAME", help="go on with a search that was stopped, killed, or finished")
    add_training(parser)
    parser.set_defaults(run=run_search)


def run_search(arguments: argparse.Namespace) -> int:
    """Search and return the exit status: 0 finished or stopped as asked, 1 it failed, 2 no start."""
    if arguments.resume is None:
        study = create_search(
            config_of(arguments),
            trials=TRIALS if arguments.trials is None else arguments.trials,
            over=DEFAULT_OVER if arguments.over is None else arguments.over.split(","),
            pruner=arguments.pruner or "median",
            seed=arguments.search_seed or 0,
            name=arguments.name,
        )
        return carry_out(study)
    refuse_training(
        arguments, over=arguments.over, pruner=arguments.pruner, search_seed=arguments.search_seed, name=arguments.name
    )
    study = open_kind(arguments.resume, "search")
    if arguments.trials is not None:
        extend_search(study, arguments.trials)
    return carry_out(study)
