"""``python -m core trial``: what the Train page measures before a run. People use ``train --estimate`` and ``lr``."""

import argparse
from pathlib import Path
from typing import Any

from core.training.trial import KINDS, Trial


def add(commands: Any) -> None:
    """Describe the command; it is for the page, and not listed."""
    parser: argparse.ArgumentParser = commands.add_parser("trial")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--job", type=Path, required=True, metavar="DIR")
    parser.set_defaults(run=run_trial)


def run_trial(arguments: argparse.Namespace) -> int:
    """Measure what the page asked for in a folder; return 0."""
    Trial(arguments.job, arguments.kind).run()
    return 0
