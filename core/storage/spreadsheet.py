"""Text in CSV files that spreadsheets open too."""

from collections.abc import Sequence

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


def table_csv(table: pd.DataFrame, *, names: Sequence[str] = ("id",)) -> str:
    """Return a table as CSV without its index; spreadsheets see no formula in the columns `names`, which hold text."""
    guarded = {name: [plain(text) for text in table[name].fillna("")] for name in names}
    text: str = table.assign(**guarded).to_csv(index=False, lineterminator="\n")
    return text
