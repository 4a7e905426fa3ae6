"""A CSV file as people save it: commas, semicolons, tabs, bars or blanks between its values, in any usual encoding."""

import codecs
import csv
import io
from pathlib import Path

import pandas as pd

from core.errors import DataError

_ENCODINGS = (  # the longest mark first: that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
_NO_TEXT = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"\x89HDF": "an HDF5 file",
}


_BEGINNING = 2**16
"""Bytes in which the first lines are looked for."""


def read_csv(path: Path, *, required: tuple[str, ...] = (), most: int | None = None) -> pd.DataFrame:
    """Return the cells of a CSV file as text without blanks around it, indexed by line number; empty lines are skipped.

    The separator is the one that divides the first line into the required columns, whatever their case; where none is
    required, the one that gives most columns. The encoding is UTF-8, UTF-16 or UTF-32, else Windows-1252, which Excel
    writes in Europe.

    Args:
        path: the file.
        required: names of columns, in lower case.
        most: lines that are read, from the beginning of the file only; None reads all.

    Raises:
        DataError: it cannot be read, is no text, has no such columns, or a line with too many values.
    """
    # By the csv module and not by pandas, whose errors do not name the line of a file.
    lines, skipped = io.StringIO(_text(path, None if most is None else _BEGINNING), newline=""), -1
    start, first = 0, "\n"
    # Excel's own note on the separator, and empty lines.
    while first and (not first.strip() or first.lower().startswith("sep=")):
        start, first, skipped = lines.tell(), lines.readline(), skipped + 1
    separator = _separator(path, first, required)
    lines.seek(start)
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=separator == " ", strict=True)
    rows, numbers = list[list[str]](), list[int]()
    try:
        columns = [_known(name.strip(), required) for name in next(reader)]
        for row in reader:
            if most is not None and len(rows) == most:
                break
            if any(row):
                rows.append(_fitted(path, row, columns, line=reader.line_num + skipped))
                numbers.append(reader.line_num + skipped)
    except csv.Error as error:
        raise DataError(f"{path.name} is no readable CSV file: {error} (line {reader.line_num + skipped}).") from error
    table = pd.DataFrame(rows, columns=columns, index=pd.Index(numbers, dtype="int64"), dtype="str")
    return table.loc[:, ~table.columns.duplicated()]


def _text(path: Path, most: int | None) -> str:
    try:
        with path.open("rb") as file:
            data = file.read() if most is None else file.read(most)
    except OSError as error:
        raise DataError.unreadable(path, error) from error
    kind = next((kind for start, kind in _NO_TEXT.items() if data.startswith(start)), "")
    if kind:
        raise DataError(f"{path.name} is {kind} and no CSV file. Open it and save it as CSV under this name.")
    encoding = next((name for mark, name in _ENCODINGS if data.startswith(mark)), "")
    if not encoding and b"\0" in data[:2]:  # UTF-16 without its mark: every other byte of Latin text is 0
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    for name in (encoding,) if encoding else ("utf-8", "cp1252"):
        try:
            # The beginning of a file may end within a letter.
            text = data.decode(name, "strict" if most is None else "ignore")
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise DataError(f"{path.name} is no readable CSV file: it is no text in UTF-8, UTF-16 or Windows-1252.")


def _separator(path: Path, first: str, required: tuple[str, ...]) -> str:
    """Return what divides the first line into the required columns."""
    if not required and first.strip():
        # Names of columns have blanks in them more often than between them.
        some = [each for each in _SEPARATORS if each != " " and len(_cells(first, each)) > 1] or [" "]
        return max(some, key=lambda each: len(_cells(first, each)))
    for separator in _SEPARATORS if required else ():
        found = {_known(name, required) for name in _cells(first, separator)}
        if found.issuperset(required):
            return separator
    wanted = f"{path.name} needs the columns {', '.join(required or ('path', 'label'))}"
    if not first.strip():
        raise DataError(f"{wanted}, got an empty file.")
    separator = max(_SEPARATORS, key=lambda each: (len(_cells(first, each)), -list(_SEPARATORS).index(each)))
    columns = _cells(first, separator)
    got = ", ".join(columns) + (f" (between {_SEPARATORS[separator]})" if separator != "," and len(columns) > 1 else "")
    advice = f"Write {','.join(required)} as its first line."
    if len(columns) > 1 and any(name.replace(".", "").isdigit() for name in columns):
        raise DataError(f"{wanted}, got {got}: the names of the columns seem to be missing. {advice}")
    raise DataError(f"{wanted}, got {got}. {advice}")


def _cells(line: str, separator: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]
    except csv.Error:
        return []


def _known(name: str, required: tuple[str, ...]) -> str:
    """Return the name of a column, one that is looked for in lower case."""
    return name.lower() if name.lower() in (*required, "slide", "wsi") else name


def _fitted(path: Path, row: list[str], columns: list[str], *, line: int) -> list[str]:
    values = [value.strip() for value in row]
    if any(values[len(columns) :]):
        raise DataError(
            f"{path.name}: line {line} has {len(values)} values for {len(columns)} columns. Correct or remove it."
        )
    return (values + [""] * len(columns))[: len(columns)]
