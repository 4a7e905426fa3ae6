"""``python -m core search``: try settings out."""

from typing import Any, get_args

import click

from core.cluster import Where
from core.commands import options
from core.commands.studies import carry_out, name_option, open_kind, resume_option
from core.commands.train import config_of, refuse_training, training
from core.studies.search import create_search, extend_search
from core.studies.search_space import DEFAULT_OVER, SPACE
from core.studies.search_trials import Pruner

TRIALS = 20
RANGES = "; ".join(f"{axis.name} ({axis.describe()})" for axis in SPACE.values())


@options.command("search", epilog=f"What can be searched, with its usual range: {RANGES}.")
# Defaults are only shown here: with --resume, what was given must differ from what was not.
@options.option("--trials", type=int, show_default=str(TRIALS), help="How many in all; more than before extends.")
@options.option(
    "--over",
    metavar="NAME,...",
    show_default=",".join(DEFAULT_OVER),
    help="What is varied; NAME=LOW:HIGH or NAME=A|B|C replaces its range.",
)
@options.option("--pruner", type=click.Choice(get_args(Pruner)), show_default="median", help="Ends bad trials.")
@options.option(
    "--together", type=int, metavar="K", show_default="1, or the number of --workers",
    help="Trials that are drawn together and can be trained at the same time; each knows the rounds before.",
)  # fmt: skip
@options.option("--search-seed", type=int, show_default="0", help="Of the search; --seed is that of the trainings.")
@name_option
@resume_option
@options.as_json
@options.cluster
@training()
def command(
    trials: int | None,
    over: str | None,
    pruner: Pruner | None,
    together: int | None,
    search_seed: int | None,
    name: str | None,
    resume: str | None,
    as_json: bool,
    where: Where,
    **given: Any,
) -> int:
    """Let Optuna choose settings, trial after trial, by the validation AUC.

    Each trial is an ordinary run, and none is ever overwritten. Ctrl+C ends the search; --resume goes on.
    """
    if resume is None:
        study = create_search(
            config_of(given),
            trials=TRIALS if trials is None else trials,
            over=DEFAULT_OVER if over is None else over.split(","),
            pruner=pruner or "median",
            together=max(1, where.workers) if together is None else together,
            seed=search_seed or 0,
            name=name,
        )
        return carry_out(study, as_json=as_json, where=where)
    refuse_training(given, over=over, pruner=pruner, together=together, search_seed=search_seed, name=name)
    study = open_kind(resume, "search")
    if trials is not None:
        extend_search(study, trials)
    return carry_out(study, as_json=as_json, where=where)
