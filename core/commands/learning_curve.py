"""``python -m core curve``: the learning curve."""

import argparse
from typing import Any, get_args

from core.commands.studies import carry_out, open_kind
from core.commands.train import add_training, config_of, refuse_training
from core.studies.learning_curve import Equal, create_curve, extend_curve, parse_size


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "curve",
        help="learning curve: would more labelled patches help?",
        description="Train on fewer and on more of the labelled patches, the fewer among the more, and measure each "
        "model on the same test patches. Each training is an ordinary run. Ctrl+C ends it; --resume goes on.",
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        metavar="N",
        help="labelled training patches of the first data set, such as 1000 2000 4000 all (default: an eighth, a "
        "quarter, a half and all)",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        metavar="K",
        help="train each size so many times in all (default: 1); with --resume, more than before extends the curve",
    )
    parser.add_argument(
        "--equal",
        choices=get_args(Equal),
        help="what each size gets as much of as the largest one, whose epochs are --epochs: steps (default), so that "
        "few patches are seen more often, or epochs, by which few patches get few steps and the curve gets steeper",
    )
    parser.add_argument("--name", help="of the study, with which the names of its runs begin (default: one is made)")
    parser.add_argument("--resume", metavar="NAME", help="go on with a study that was stopped, killed, or finished")
    add_training(parser, without=("patches",))
    parser.set_defaults(run=run_curve)


def run_curve(arguments: argparse.Namespace) -> int:
    """Train the curve and return the exit status: 0 finished or stopped as asked, 1 a run failed, 2 no start."""
    if arguments.resume is not None:
        refuse_training(arguments, sizes=arguments.sizes, equal=arguments.equal, name=arguments.name)
        study = open_kind(arguments.resume, "curve")
        if arguments.seeds is not None:
            extend_curve(study, arguments.seeds)
        return carry_out(study)
    study = create_curve(
        config_of(arguments),
        sizes=[parse_size(word) for word in arguments.sizes or ()],
        seeds=1 if arguments.seeds is None else arguments.seeds,
        equal=arguments.equal or "steps",
        name=arguments.name,
    )
    return carry_out(study)
