"""What people say about patches, as a CSV file that only grows: each line says who said it and when.

A later line about the same patch counts. Nothing is ever taken out of the file: who takes something back, adds a line.
A file of an earlier version has neither name nor time; the first new line gives it the columns.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from filelock import FileLock

from core.errors import DataError, StorageError
from core.storage import atomic, spreadsheet
from core.storage.home import make_folder

WHO, WHEN = "by", "at"
LINE = "line"
"""Beside the cells of a line: its number in the file."""

Cells = dict[str, str]


@dataclass(frozen=True)
class Journal:
    """A file and its columns, to which :data:`WHO` and :data:`WHEN` are added.

    Attributes:
        path: the file.
        columns: what a line holds.
        required: those of them that a file must have; "id" is always one.
    """

    path: Path
    columns: tuple[str, ...]
    required: tuple[str, ...] = ("id",)

    def read(self) -> list[Cells]:
        """Return the lines in order, by column; none where there is no file. Lines without an id are passed over.

        Raises:
            DataError: it is no CSV file with the columns that it needs.
        """
        names = (*self.columns, WHO, WHEN)
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.DictReader(file, strict=True)
                given = rows.fieldnames or ()
                missing = [name for name in self.required if name not in given]
                if missing:
                    raise DataError(
                        f"{self.path} cannot be read: it needs a column {missing[0]}, got "
                        f"{', '.join(given) or 'nothing'}. Correct the file, or delete it."
                    )
                lines = []
                for row in rows:
                    cells = {name: spreadsheet.original((row.get(name) or "").strip()) for name in names}
                    if cells["id"]:
                        lines.append({**cells, LINE: str(rows.line_num)})
                return lines
        except FileNotFoundError:
            return []
        except PermissionError as error:
            raise DataError.unreadable(self.path, error) from error
        except (OSError, csv.Error, UnicodeDecodeError) as error:
            raise DataError(
                f"{self.path} cannot be read: {error}. Correct the file, or delete it to go without what it says."
            ) from error

    def append(self, rows: Iterable[Mapping[str, str]], *, by: str = "", earlier: Iterable[Cells] = ()) -> None:
        """Add lines, all with this name and the present time.

        Args:
            rows: cells by column; a missing one is empty.
            by: who says it.
            earlier: what an empty file begins with: lines of another file of an earlier version.

        Raises:
            DataError: what is there cannot be read.
            StorageError: it cannot be written.
        """
        at = datetime.now(UTC).isoformat(timespec="milliseconds")  # each writing has its own, so that it can be undone
        new = self.text([{**row, WHO: by, WHEN: at} for row in rows])
        try:
            make_folder(self.path.parent)
            with FileLock(self.path.with_suffix(".lock")):  # two people may write at once, and both count
                known = self.read()
                before = self.path.read_text("utf-8-sig") if self.path.is_file() else self.text(earlier)
                header, _, lines = new.partition("\n")
                if before.partition("\n")[0].strip() != header:  # of an earlier version
                    before = self.text(known)
                # Whole or not at all: of a line that was half written nobody could tell what it meant.
                atomic.write_text(self.path, before + ("" if before.endswith("\n") else "\n") + lines)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {error.strerror or error}.") from error

    def text(self, rows: Iterable[Mapping[str, str]]) -> str:
        """Return rows as CSV with all columns; spreadsheets find no formula in it."""
        names = (*self.columns, WHO, WHEN)
        table = pd.DataFrame([[row.get(name, "") for name in names] for row in rows], columns=names)
        return spreadsheet.table_csv(table, names=names)
