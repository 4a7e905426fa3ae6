"""Numbers and foreign text as people read them, and the sentence that stands on every page and in every export."""

RESEARCH_ONLY = "Research use only. Not for diagnosis."
"""The short form: for pages, help texts and the output of commands."""

NOT_A_DEVICE = "Research use only. Not a medical device; not for diagnosis."
"""The long form: for files that leave Nodescope and are read without it."""


def percent(probability: float, *, digits: int = 1) -> str:
    """Return a model's probability in percent, such as "99.6%", or ">99.9%" where rounding would make it certain.

    A share of counted patches may well be "100%"; format it as a plain number instead.

    Args:
        probability: in [0, 1].
        digits: decimals; 0 where there is little room.
    """
    least = 10.0**-digits
    # Compared after rounding: 0.9996 lies below 1, and would still be printed as 100.0%.
    shown = round(100 * probability, digits)
    if shown <= 0:
        return f"<{least:.{digits}f}%"
    return f">{100 - least:.{digits}f}%" if shown >= 100 else f"{shown:.{digits}f}%"


def printable(text: str) -> str:
    """Return a text from a file with control, direction-changing and undecodable characters as U+FFFD."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it: "45 s" below 90 seconds, "12 min" below 90 minutes, else "2.5 h"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def file_size(size: int) -> str:
    """Return a number of bytes on disk or in memory: "<1 MB", "14 MB" or "6.1 GB"; a MB is 10^6 bytes."""
    if size < 1e6:
        return "<1 MB"
    megabytes = round(size / 1e6)
    return f"{size / 1e9:.1f} GB" if megabytes >= 1000 else f"{megabytes} MB"
