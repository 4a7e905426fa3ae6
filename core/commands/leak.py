"""``python -m core leak``: how optimistic a random split is."""

import sys
from pathlib import Path

import click

from core.commands import options
from core.commands.output import print_json
from core.commands.train import config_of
from core.runs import PRESETS
from core.studies.split_leakage import NAMES, WAYS, measure_leak


@options.command("leak")
@options.data(required=False, default="demo", help="Its slides must be known.")
@options.option("--preset", "preset_name", type=click.Choice(list(PRESETS)), default="quick", help="What is trained.")
@options.option("--epochs", type=int, help="How often every patch is seen.", show_default="the preset's")
@options.option("--splits", type=int, default=1, metavar="N", help="Repeat with N seeds of the split.")
@options.option(
    "--run-dir", type=options.PATH, metavar="DIR", help="Folder for the runs.", show_default="among all others"
)
@options.as_json
@options.device
def command(
    data: str, preset_name: str, epochs: int | None, splits: int, run_dir: Path | None, as_json: bool, device: str
) -> int:
    """Train the same preset with a random split of patches and with a split by slide, and compare.

    The lead of the random split is what patches of shared slides leak.
    """
    config = config_of({"data": (data,), "preset": preset_name, "epochs": epochs, "device": device})
    found = measure_leak(
        config, run_dir, split_seeds=range(max(1, splits)), notify=lambda text: print(text, file=sys.stderr)
    )
    if as_json:
        print_json(found.to_json())
        return 0
    for way in WAYS:
        print(f"AUC, {NAMES[way] + ':':<26} {found.auc(way)}")
    print(found.sentence())
    if found.trained:
        print(f"Both trained as: {found.trained}.")
    return 0
