"""``python -m core pack``: a folder of patches as one memory map."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.commands.options import as_job, progress_line
from core.data import find_pack, make_pack, open_dataset, remove_pack
from core.data.open import recognise
from core.data.pack_workers import available_workers

SHOWN = 20
"""So many unreadable patches are named."""


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "pack",
        help="read a folder of patches once into one fast file",
        description="Pack a Kaggle or PCam folder into one memory map, which pages and commands then use in its place. "
        "Ctrl+C or a kill loses nothing: the same command goes on from there. A folder that changed is packed anew.",
    )
    parser.add_argument("data", metavar="DIR", help="a Kaggle or PCam folder")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that read (default: one for each core)")
    parser.add_argument("--remove", action="store_true", help="delete the pack instead")
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    parser.set_defaults(run=run_pack)


def run_pack(arguments: argparse.Namespace) -> int:
    """Pack and return 0, or 1 if patches could not be read."""
    workers = arguments.workers or available_workers()
    if arguments.job is not None:
        return as_job(
            arguments.job,
            lambda report: make_pack(open_dataset(arguments.data, raw=True), workers=workers, progress=report),
        )
    if arguments.remove:
        remove_pack(str(recognise(arguments.data)[1]))
        return 0
    dataset = open_dataset(arguments.data, raw=True)
    was_there = find_pack(dataset) is not None
    pack = make_pack(dataset, workers=workers, progress=progress_line("Packing", patches=len(dataset)))
    rate = "" if was_there else f", {pack.count / max(pack.seconds, 0.01):,.0f} a second"
    print(f"{pack.count:,} patches in {pack.path}{' (was there already)' if was_there else rate}")
    for row, why in list(pack.unreadable.items())[:SHOWN]:
        print(f"  row {row}: {why}", file=sys.stderr)
    if pack.unreadable:
        print(f"{len(pack.unreadable):,} patches could not be read; they are white in the pack.", file=sys.stderr)
    return 1 if pack.unreadable else 0
