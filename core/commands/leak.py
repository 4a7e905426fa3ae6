"""``python -m core leak``: how much a random split flatters a model."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from core.commands.options import add_device
from core.runs import PRESETS, preset
from core.studies.split_leakage import NAMES, WAYS, measure_leak


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "leak",
        help="train under a random and a slide-grouped split, and compare",
        description="Leak meter: train the same preset with a random split of patches and with a split that keeps "
        "whole slides together. How much better the first looks is what patches of shared slides leak.",
    )
    parser.add_argument("--data", default="demo", metavar="DIR|demo", help="its slides must be known (default: demo)")
    parser.add_argument("--preset", choices=list(PRESETS), default="quick", help="what is trained (default: quick)")
    parser.add_argument("--epochs", type=int, help="default: the preset's")
    parser.add_argument("--splits", type=int, default=1, metavar="N", help="repeat with N split seeds (default: 1)")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="a folder for the runs (default: among all others)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_device(parser)
    parser.set_defaults(run=run_leak)


def run_leak(arguments: argparse.Namespace) -> int:
    """Train, compare and return 0."""
    data = arguments.data if arguments.data == "demo" else str(Path(arguments.data).resolve())
    config = preset(arguments.preset).with_changes(data=(data,), device=arguments.device)
    if arguments.epochs is not None:
        config = config.with_changes(epochs=arguments.epochs)
    found = measure_leak(
        config,
        arguments.run_dir,
        split_seeds=range(max(1, arguments.splits)),
        notify=lambda text: print(text, file=sys.stderr),
    )
    if arguments.json:
        print(json.dumps(found.to_json(), indent=2))
        return 0
    for way in WAYS:
        print(f"AUC, {NAMES[way] + ':':<26} {found.figure(way)}")
    print(found.sentence())
    return 0
