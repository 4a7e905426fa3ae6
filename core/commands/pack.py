"""``python -m core pack``: a folder of patches as one memory map."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.commands.options import progress_line
from core.data import Pack, find_pack, make_pack, open_dataset, remove_pack
from core.data.pack_workers import available_workers
from core.data.store import Progress
from core.errors import NodescopeError
from core.job import Job, JobStatus

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
    if arguments.job is not None:
        return _run_job(arguments)
    if arguments.remove:
        remove_pack(open_dataset(arguments.data, raw=True).source)
        return 0
    was_there = find_pack(open_dataset(arguments.data, raw=True)) is not None
    pack = _pack(arguments, progress_line("Packing"))
    rate = "" if was_there else f", {pack.count / max(pack.seconds, 0.01):,.0f} a second"
    print(f"{pack.count:,} patches in {pack.path}{' (was there already)' if was_there else rate}")
    for row, why in list(pack.unreadable.items())[:SHOWN]:
        print(f"  row {row}: {why}", file=sys.stderr)
    if pack.unreadable:
        print(f"{len(pack.unreadable):,} patches could not be read; they are white in the pack.", file=sys.stderr)
    return 1 if pack.unreadable else 0


def _pack(arguments: argparse.Namespace, progress: Progress | None) -> Pack:
    dataset = open_dataset(arguments.data, raw=True)
    return make_pack(dataset, workers=arguments.workers or available_workers(), progress=progress)


def _run_job(arguments: argparse.Namespace) -> int:
    """Pack in the background for the page; the job's folder says how it goes."""
    job = Job(arguments.job)
    try:
        return 0 if job.work(lambda report: _pack(arguments, report)).state == "finished" else 1
    except NodescopeError as error:
        job.write(JobStatus("failed", message=str(error)))
        raise
