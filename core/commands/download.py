"""``python -m core download``: fetch a public data set."""

from pathlib import Path

import click

from core.commands import options
from core.commands.output import progress_line
from core.data.download import SOURCES, fetch


@options.command("download")
@click.argument("source", type=click.Choice(list(SOURCES)))
@click.argument("folder", type=options.PATH, required=False, metavar="[DIR]")
@options.out("Folder that takes the data; it is made if it is not there.", metavar="DIR")
@options.job
def command(source: str, folder: Path | None, out: Path | None, job: Path | None) -> int:
    """Fetch PatchCamelyon (pcam) or the data of the Kaggle competition (kaggle) into a folder.

    PatchCamelyon needs torchvision and gdown, the competition kagglehub and a token of your own. Files that are
    complete are not fetched again. Without a network, the command says what to do by hand.
    """
    if (folder is None) == (out is None):
        raise click.UsageError("Name the folder once: with --out DIR, or with DIR after the source.")
    target = (folder or out or Path()).expanduser().resolve()
    if job is not None:
        return options.work_in_job(job, lambda report: fetch(source, target, progress=report))
    fetch(source, target, progress=progress_line("Fetching"))
    print(f"{SOURCES[source].label} is in {target}")
    return 0
