"""Options and output that several commands share."""

import argparse
import sys
from pathlib import Path

from core.data.store import Progress
from core.device import DEVICES
from core.errors import StorageError


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Add ``--bundle``."""
    parser.add_argument(
        "--bundle", type=Path, metavar="FILE", help="a .safetensors bundle; default: the one that comes with Nodescope"
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: the GPU if there is one")


def check_folder(path: Path | None) -> None:
    """See that the folder of a file to be written is there, before any work is done for it.

    Raises:
        StorageError: it is not.
    """
    if path is not None and not path.expanduser().resolve().parent.is_dir():
        raise StorageError(f"There is no folder {path.parent} to write {path.name} to. Make it, or check the path.")


def progress_line(label: str) -> Progress | None:
    """Return a function that keeps one line of progress on a terminal; None where the output is no terminal."""
    if not sys.stderr.isatty():
        return None

    def show(share: float) -> None:
        end = "\n" if share >= 1 else ""
        print(f"\r{label}: {share:4.0%}", end=end, file=sys.stderr, flush=True)

    return show
