"""``python -m core slide-viewer``: fetch the script that moves slides in the browser."""

from pathlib import Path

from core.commands import options
from core.slides.openseadragon import fetch_openseadragon


@options.command("slide-viewer")
@options.option(
    "--package", type=options.PATH, metavar="FILE",
    help="The package as a file, from `npm pack openseadragon@6.1.1` on a computer with a network.",
)  # fmt: skip
def command(package: Path | None) -> int:
    """Fetch OpenSeadragon from npm, once, and check its hash; the page Slides needs it and nothing else does."""
    print(f"OpenSeadragon is in {fetch_openseadragon(None if package is None else package.expanduser()).parent}")
    return 0
