"""Options and output that several commands share."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from core.bundle.shipped import SHIPPED
from core.device import DEVICES
from core.errors import StorageError
from core.job import Job, Pace
from core.progress import Progress, no_progress


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Add ``--bundle``."""
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="FILE",
        help=f"a .safetensors bundle, or one that comes with Nodescope: {', '.join(SHIPPED)} (default: the first)",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: the GPU if there is one")


def add_decisions(parser: argparse.ArgumentParser) -> None:
    """Add ``--decisions``."""
    parser.add_argument(
        "--decisions", metavar="FILE|none", help="decisions about patches to obey instead of the data set's own"
    )


def check_folder(path: Path | None) -> None:
    """See that the folder of a file to be written is there, before any work is done for it.

    Raises:
        StorageError: it is not.
    """
    if path is not None and not path.expanduser().resolve().parent.is_dir():
        raise StorageError(f"There is no folder {path.parent} to write {path.name} to. Make it, or check the path.")


def as_job(folder: Path, what: Callable[[Progress], object]) -> int:
    """Do the work that a page started in the background; its folder says how it goes. Return 0, or 1 if cancelled."""
    return 0 if Job(folder).work(what).state == "finished" else 1


def progress_line(label: str, *, patches: int | None = None) -> Progress:
    """Return a function that keeps one line of progress on a terminal, or ignores it where the output is no terminal.

    Args:
        label: what is being done.
        patches: how many there are; then their rate and the time left are told too.
    """
    if not sys.stderr.isatty():
        return no_progress
    pace = Pace()

    def show(share: float) -> None:
        end, told = "\n" if share >= 1 else "", ""
        left = pace.seconds_left(share)
        if patches and left and share < 1:
            told = f"{(1 - share) * patches / left:,.0f} a second, about {max(1, round(left)):,} s left"
        print(f"\r{label}: {share:4.0%}  {told:<40}", end=end, file=sys.stderr, flush=True)

    return show
