"""``python -m core cross-validate``: cross-validation."""

from typing import Any

import click

from core.cluster import Where
from core.commands import options
from core.commands.studies import carry_out, name_option, open_kind, resume_option
from core.commands.train import config_of, refuse_training, training
from core.studies.cross_validation import BY_NAMES, FOLDS, By, create_folds


@options.command("cross-validate")
# Defaults are only shown here: with --resume, what was given must differ from what was not.
@options.option("--folds", type=int, metavar="K", show_default=f"{FOLDS}; one a centre", help="How many folds.")
@options.option(
    "--split",
    aliases=["--by"],
    type=click.Choice(list(BY_NAMES)),
    show_default="patient, else slide, where they are known, else stratified",
    help="What stays together: whole slides or patients; single patches, or single patches with the same share of each "
    "class. With centre, each fold leaves one centre out.",
)
@name_option
@resume_option
@options.as_json
@options.cluster
@training(without=("split", "folds", "fold"))
def command(
    folds: int | None, split: By | None, name: str | None, resume: str | None, as_json: bool, where: Where, **given: Any
) -> int:
    """Cross-validate: each patch is tested by a model that never saw it.

    The patches are divided into folds, and a run is trained for each, which is tested on it. The study's folder holds
    the out-of-fold predictions of all patches and the metrics with their intervals; the runs are ordinary ones. Ctrl+C
    ends the study; --resume goes on.
    """
    if resume is None:
        return carry_out(create_folds(config_of(given), folds=folds, by=split, name=name), as_json=as_json, where=where)
    refuse_training(given, folds=folds, split=split, name=name)
    return carry_out(open_kind(resume, "folds"), as_json=as_json, where=where)
