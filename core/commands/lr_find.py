"""``python -m core lr-find``: which learning rate to take."""

from pathlib import Path
from typing import Any

from core.commands import options
from core.commands.output import print_json, progress_line
from core.commands.train import config_of, training
from core.storage import atomic
from core.training.preflight.lr_finder import STEPS, find_learning_rate


@options.command("lr-find")
@options.option("--steps", type=int, default=STEPS, metavar="N", help="Steps of the search.")
@options.out("Where the curve is written.", metavar="CSV", aliases=["--csv"], default=Path("learning-rate.csv"))
@options.as_json
@training(without=("learning_rate", "epochs", "patience"))
def command(steps: int, out: Path, as_json: bool, **given: Any) -> int:
    """Train a fresh network while the learning rate rises from 1e-6 to 1, and suggest one by how the loss falls.

    Nothing is kept but the curve.
    """
    options.check_folder(out)
    curve = find_learning_rate(config_of(given), steps=steps, progress=progress_line("Trying learning rates"))
    atomic.write_text(out.expanduser(), curve.to_csv())
    if as_json:
        print_json({"suggestion": curve.suggestion, "by": curve.by, "steepest": curve.steepest, "lowest": curve.lowest})
        return 0
    print(curve.sentence())
    print(f"The curve is in {out}.")
    return 0
