"""``python -m core learning-curve``: would more labelled patches help?"""

from typing import Any, get_args

import click

from core.cluster import Where
from core.commands import options
from core.commands.studies import carry_out, name_option, open_kind, resume_option
from core.commands.train import config_of, refuse_training, training
from core.studies.learning_curve import Equal, create_curve, extend_curve, parse_size


@options.command("learning-curve")
@options.option(
    "--sizes",
    metavar="N ...",
    show_default="an eighth, a quarter, a half and all",
    help="Labelled training patches of the first data set, such as 1000 2000 4000 all.",
)
@click.argument("more_sizes", nargs=-1, metavar="")
@options.option(
    "--seeds",
    type=int,
    metavar="K",
    show_default="1",
    help="Seeds for each size in all; with --resume, more than before extends the curve.",
)
@options.option(
    "--equal",
    type=click.Choice(get_args(Equal)),
    show_default="steps",
    help="What each size gets as much of as the largest one, whose epochs are --epochs: steps, so that few patches are "
    "seen more often, or epochs, by which few patches get few steps and the curve gets steeper.",
)
@name_option
@resume_option
@options.as_json
@options.cluster
@training(without=("patches",))
def command(
    sizes: str | None,
    more_sizes: tuple[str, ...],
    seeds: int | None,
    equal: Equal | None,
    name: str | None,
    resume: str | None,
    as_json: bool,
    where: Where,
    **given: Any,
) -> int:
    """Train on fewer and on more of the labelled patches, and measure each model on the same test patches.

    The patches of a smaller size are among those of a larger one. Each training is an ordinary run. Ctrl+C ends the
    study; --resume goes on.
    """
    if more_sizes and sizes is None:  # Click gives an option one value, and the others of --sizes as arguments
        raise click.UsageError(f"Got unexpected arguments: {' '.join(more_sizes)}. Sizes stand behind --sizes.")
    texts = [text for each in (sizes or "", *more_sizes) for text in each.split(",") if text]
    if resume is not None:
        refuse_training(given, sizes=sizes, equal=equal, name=name)
        study = open_kind(resume, "curve")
        if seeds is not None:
            extend_curve(study, seeds)
        return carry_out(study, as_json=as_json, where=where)
    study = create_curve(
        config_of(given),
        sizes=[parse_size(text) for text in texts],
        seeds=1 if seeds is None else seeds,
        equal=equal or "steps",
        name=name,
    )
    return carry_out(study, as_json=as_json, where=where)
