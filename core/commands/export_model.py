"""``python -m core export-model``: a bundle for other programs."""

from pathlib import Path

import click

from core.bundle import load_bundle
from core.bundle.formats import FORMATS, export_bundle
from core.commands import options
from core.commands.output import print_json
from core.formatting import RESEARCH_ONLY


@options.command("export-model", epilog=RESEARCH_ONLY)
@click.argument("bundle", type=options.PATH, metavar="BUNDLE")
@options.option(
    "--format", "name", type=click.Choice(list(FORMATS)), required=True,
    help="; ".join(f"{name}: {each.about}" for name, each in FORMATS.items()) + ".",
)  # fmt: skip
@options.out("A new or empty folder.", metavar="FOLDER", required=True)
@options.as_json
def command(bundle: Path, name: str, out: Path, as_json: bool) -> int:
    """Write a model for other programs, with a README.md that says what goes in and what comes out.

    BUNDLE is a .safetensors file or the name of one that comes with Nodescope. What was written is loaded again and
    compared with the bundle on 33 demo patches; the folder is there as a whole or not at all.
    """
    difference = export_bundle(load_bundle(bundle), out.expanduser(), name=name)
    if as_json:
        print_json({"path": str(out), "format": name, "largest_difference": difference})
    else:
        print(f"{out}: {FORMATS[name].about}")
        print(f"loaded again, its probabilities differ from the bundle's by at most {difference:.1e}")
    return 0
