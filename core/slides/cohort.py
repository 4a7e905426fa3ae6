"""All slides of a results folder as one table, ``slides.csv``: what was measured on each, and why others failed."""

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from filelock import FileLock, Timeout

from core.errors import DataError, StorageError
from core.formatting import printable
from core.slides.analyse import SlideJob, read_summary
from core.storage import atomic
from core.storage.spreadsheet import table_csv

FILE = "slides.csv"

MEASURES = (
    "tissue_mm2", "tumour_mm2", "tumour_share", "foci", "longest_mm", "longest_class", "highest_probability",
    "ood_share", "blur_share", "pen_share", "threshold", "peak_threshold", "least_mm2", "mpp", "width", "height",
    "step", "bundle_name", "bundle", "megapixels", "seconds",
)  # fmt: skip
"""What the table takes from each ``summary.json``, see :func:`core.slides.analyse.analyse`."""

COLUMNS = ("name", "slide", "state", "reason", *MEASURES, "notes")

TEXTS = ("name", "slide", "reason", "longest_class", "bundle_name", "bundle", "notes")

PATIENCE_SECONDS = 10.0

T = TypeVar("T")


def state_of(folder: Path) -> tuple[str, str]:
    """Return a word on the slide of a folder and, where it failed, why: "done", "40%", "failed" or ""."""
    status = SlideJob.of(folder).status()
    if status.is_active:
        return f"{status.share:.0%}", ""
    if status.state in ("failed", "lost"):
        return "failed", status.message
    return ("done" if (folder / "summary.json").is_file() else ""), ""


def read_cohort(folder: Path) -> pd.DataFrame:
    """Return one row for each slide that was ever begun, by name, with :data:`COLUMNS`; missing where not measured.

    `name` is that of its folder; `state` and `reason` are as of :func:`state_of`.

    Args:
        folder: of ``slide --out``.
    """
    rows = [_row(each) for each in sorted(folder.glob("*")) if _holds_slide(each)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_cohort(folder: Path) -> int:
    """Write ``slides.csv`` of a results folder anew, where there is one, and return its rows.

    Raises:
        StorageError: it cannot be written.
    """
    if not folder.is_dir():  # nothing could be begun
        return 0
    try:
        # Of several machines the last to read must be the last to write, or a slide would be missing.
        with FileLock(folder / ".slides.lock", timeout=PATIENCE_SECONDS):
            table = read_cohort(folder)
            atomic.write_text(folder / FILE, table_csv(table, names=TEXTS))
            return len(table)
    except Timeout:
        return 0
    except OSError as error:
        raise StorageError(f"{folder / FILE} cannot be written: {error.strerror or error}.") from error


def tabled(folder: Path, ended: Iterable[T]) -> Iterator[T]:
    """Yield what ends, and write ``slides.csv`` of a results folder whenever a quarter more has, and at the end.

    A table that is written reads all slides: after each of 10^5 this would be 5 · 10^9 reads, and so it is 5 · 10^5.

    Args:
        folder: of ``slide --out``.
        ended: the slides, each when it has ended.

    Raises:
        StorageError: the table cannot be written.
    """
    due = 1
    try:
        for number, each in enumerate(ended, start=1):
            if number == due:
                due += max(1, write_cohort(folder) // 4)
            yield each
    finally:
        write_cohort(folder)


def failures(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the names of slides that failed by their reason, the most frequent first.

    Slides fail for the same reason in sentences that differ by their names, which are "This slide" here.
    """
    failed = table.loc[table["state"] == "failed", ["name", "reason"]].itertuples(index=False)
    return by_reason((name, re.sub(_file_of(name), "This slide", why)) for name, why in failed)


def _file_of(name: str) -> str:
    """Return the pattern of the name of a slide's file, of which its folder has no suffix."""
    return rf"(?<!\w){re.escape(name)}(\.\w+)+"


def by_reason(failed: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return names by their reason, the most frequent reason first, of pairs of both."""
    found: dict[str, list[str]] = {}
    for name, reason in failed:
        found.setdefault(reason, []).append(name)
    return dict(sorted(found.items(), key=lambda each: len(each[1]), reverse=True))


def highest_foci(folder: Path, names: Iterable[str], *, most: int) -> list[dict[str, Any]]:
    """Return the most probable foci of some slides: `name`, and x, y, probability and area_mm2 as of ``foci.csv``.

    Args:
        folder: of ``slide --out``.
        names: of the slides' folders.
        most: how many are returned.

    Raises:
        DataError: a table is damaged.
    """
    listed = ((name, focus) for name in names for focus in read_foci(folder / name)[:most])
    found: list[dict[str, Any]] = [{"name": name, **focus} for name, focus in listed]
    return sorted(found, key=lambda each: (each["probability"], each["area_mm2"]), reverse=True)[:most]


def read_foci(folder: Path) -> list[dict[str, float]]:
    """Return the foci of a slide's folder, the most probable first. Raises :class:`DataError` if they are damaged."""
    path = folder / "foci.csv"
    try:
        with path.open(encoding="utf-8", newline="") as table:
            return [
                {name: float(row[name]) for name in ("x", "y", "probability", "area_mm2", "longest_mm")}
                for row in csv.DictReader(table)
            ]
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise DataError(f"{path} is damaged ({error}). Delete {folder} and run `slide` again.") from error


def _holds_slide(folder: Path) -> bool:
    hidden = folder.name.startswith(".")  # the queue of a page
    return not hidden and any((folder / each).is_file() for each in ("summary.json", "work/status.json"))


def _row(folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = {**dict.fromkeys(TEXTS, ""), "name": printable(folder.name), "slide": printable(folder.name)}
    try:
        row["state"], row["reason"] = state_of(folder)
        if named := re.search(_file_of(row["name"]), row["reason"]):  # what failed left no summary with its file's name
            row["slide"] = named[0]
        summary = read_summary(folder) or {}
    except DataError as error:
        return {**row, "state": "failed", "reason": str(error)}
    return {**row, **dict(_measured(summary))}


def _measured(summary: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for name in ("slide", *MEASURES):
        if isinstance(summary.get(name), int | float | str):
            yield name, summary[name]
    notes = summary.get("notes")
    yield "notes", " ".join(map(str, notes)) if isinstance(notes, list) else ""
