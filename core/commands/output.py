"""What several commands print."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from core.job import Pace
from core.progress import Progress, no_progress


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows with columns under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows
    )


def progress_line(label: str, *, amount: float | None = None, unit: str = "patches") -> Progress:
    """Return a function that keeps one line of progress on a terminal, or ignores it where the output is no terminal.

    Args:
        label: what is being done.
        amount: how much of it there is; then the line also has the rate and the time left.
        unit: of the amount.
    """
    if not sys.stderr.isatty():
        return no_progress
    pace = Pace()

    def show(share: float) -> None:
        end, rate = "\n" if share >= 1 else "", ""
        # Asked at each report, because the first one sets the start of the measurement.
        left = pace.seconds_left(share)
        if amount and left and share < 1:
            speed = (1 - share) * amount / left
            rate = f"{speed:,.{0 if speed >= 10 else 2}f} {unit}/s, about {max(1, round(left)):,} s left"
        # Filled up with blanks, so that nothing of a longer line before remains.
        print(f"\r{label}: {share:4.0%}  {rate:<40}", end=end, file=sys.stderr, flush=True)

    return show
