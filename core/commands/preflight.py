"""``python -m core preflight``: what the Train page measures before a run.

People have ``train --estimate`` and ``lr-find`` for the same.
"""

from pathlib import Path

import click

from core.commands import options
from core.training.preflight.job import KINDS, Kind, Preflight


@options.command("preflight")
@click.argument("kind", type=click.Choice(KINDS))
@options.option("--job", type=options.PATH, required=True, metavar="DIR", help="Folder with the settings.")
def command(kind: Kind, job: Path) -> int:
    """Measure the cost of a run, or find its learning rate, in the background for the page."""
    Preflight(job, kind).run()
    return 0
