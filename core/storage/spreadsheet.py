"""Text in CSV files that spreadsheets open too."""

LEADS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins with one of these is a formula to a spreadsheet."""


def plain(text: str) -> str:
    """Return `text` led by an apostrophe if a spreadsheet would take it for a formula, or for such an apostrophe."""
    return f"'{text}" if text.startswith((*LEADS, "'")) else text


def original(cell: str) -> str:
    """Return the text of which :func:`plain` made `cell`."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*LEADS, "'")) else cell
