"""Text in CSV files that spreadsheets open too."""

import csv
import io
from collections.abc import Iterable, Sequence

import pandas as pd

LEADS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins with one of these is a formula to a spreadsheet."""


def plain(text: str) -> str:
    """Return `text` led by an apostrophe if a spreadsheet would take it for a formula, or for such an apostrophe."""
    # A text with an apostrophe of its own gets a second one, or `original` would take the first away.
    return f"'{text}" if text.startswith((*LEADS, "'")) else text


def original(cell: str) -> str:
    """Return the text of which :func:`plain` made `cell`."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*LEADS, "'")) else cell


def lines_csv(rows: Iterable[Sequence[str]]) -> str:
    """Return rows of cells as CSV; those that hold foreign text come from :func:`plain`."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def table_csv(table: pd.DataFrame, *, names: Sequence[str] = ("id",)) -> str:
    """Return a table as CSV without its index; spreadsheets see no formula in the columns `names`, which hold text."""
    guarded = {name: [plain(text) for text in table[name].fillna("")] for name in names}
    text: str = table.assign(**guarded).to_csv(index=False, lineterminator="\n")
    return text
