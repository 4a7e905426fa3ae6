"""Options and output that several commands share."""

import argparse
import sys
from pathlib import Path

from core.data.store import Progress
from core.device import DEVICES


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Add ``--bundle``."""
    parser.add_argument(
        "--bundle", type=Path, metavar="FILE", help="a .safetensors bundle; default: the one that comes with Nodescope"
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: the GPU if there is one")


def progress_line(label: str) -> Progress | None:
    """Return a function that keeps one line of progress on a terminal; None where the output is no terminal."""
    if not sys.stderr.isatty():
        return None

    def show(share: float) -> None:
        end = "\n" if share >= 1 else ""
        print(f"\r{label}: {share:4.0%}", end=end, file=sys.stderr, flush=True)

    return show
