"""``python -m core rehearsal``: what the Train page measures before a run. People use ``train --estimate``, ``lr``."""

import argparse
from pathlib import Path
from typing import Any

from core.training.preflight.job import KINDS, Preflight


def add(commands: Any) -> None:
    """Describe the command; it is for the page, and not listed."""
    parser: argparse.ArgumentParser = commands.add_parser("rehearsal")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--job", type=Path, required=True, metavar="DIR")
    parser.set_defaults(run=run_preflight)


def run_preflight(arguments: argparse.Namespace) -> int:
    """Measure what the page asked for in a folder; return 0."""
    Preflight(arguments.job, arguments.kind).run()
    return 0
