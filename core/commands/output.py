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


def progress_line(label: str, *, patches: int | None = None) -> Progress:
    """Return a function that keeps one line of progress on a terminal, or ignores it where the output is no terminal.

    Args:
        label: what is being done.
        patches: how many there are; then the line also has their rate and the time left.
    """
    if not sys.stderr.isatty():
        return no_progress
    pace = Pace()

    def show(share: float) -> None:
        end, rate = "\n" if share >= 1 else "", ""
        # Asked at each report, because the first one sets the start of the measurement.
        left = pace.seconds_left(share)
        if patches and left and share < 1:
            rate = f"{(1 - share) * patches / left:,.0f} patches/s, about {max(1, round(left)):,} s left"
        # Filled up with blanks, so that nothing of a longer line before remains.
        print(f"\r{label}: {share:4.0%}  {rate:<40}", end=end, file=sys.stderr, flush=True)

    return show
