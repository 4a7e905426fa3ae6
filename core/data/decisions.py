"""What people decided about single patches: exclude it, give it the other label, or leave it as it is.

``decisions.csv`` lies beside the pack of its data set (see :func:`core.data.pack_folder`) and has the columns
``id``, ``decision`` (one of :data:`KINDS`), ``label`` (of "relabel": 0 or 1) and ``reason``. Pages, commands and
training apply it whenever they open the data set. An ``exclusions.csv`` of earlier versions is read where there is no
such file, and is merged into it with the first decision.
"""

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from filelock import FileLock

from core.data.dataset import Dataset, Decided, Problem
from core.data.pack_blocks import pack_folder
from core.data.store import RowStore
from core.errors import DataError, StorageError
from core.storage import atomic, spreadsheet
from core.storage.home import make_folder

Kind = Literal["exclude", "relabel", "fine"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NONE = "none"
"""Instead of a file: apply no decisions."""

COLUMNS = ("id", "decision", "label", "reason")


@dataclass(frozen=True)
class Decision:
    """What somebody decided about a patch.

    Attributes:
        kind: "exclude" removes it from the data set, "relabel" gives it `label`, "fine" says that its label was
            reviewed and is right.
        label: 0 or 1 with "relabel", else None.
        reason: free text.
    """

    kind: Kind
    label: int | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DataError(f"A decision must be one of {', '.join(KINDS)}, got {self.kind!r}.")
        if (self.label in (0, 1)) != (self.kind == "relabel") or self.label not in (0, 1, None):
            raise DataError(
                f"The label of a decision must be 0 or 1 for 'relabel' and None otherwise, got {self.label!r}."
            )


def decisions_path(source: str) -> Path:
    """Return where the decisions about a data set are or will be."""
    return pack_folder(source) / "decisions.csv"


def decisions_of(source: str, given: str | Path | None = None) -> dict[str, Decision]:
    """Return the decisions about a data set by id.

    Args:
        source: of the data set.
        given: a file to read instead of the data set's own, or :data:`NONE` for no decisions.

    Raises:
        DataError: the given file is missing, or a file cannot be read.
    """
    if given is not None and str(given) == NONE:
        return {}
    if given is not None:
        path = Path(given).expanduser()
        if not path.is_file():
            raise DataError(f"There is no file {path} with decisions. Check the path, or give '{NONE}' to apply none.")
        return read_decisions(path)
    own = decisions_path(source)
    return read_decisions(own if own.is_file() else _earlier(own))


def decisions_stamp(source: str) -> int:
    """Return a number that changes when the decisions about a data set do; 0 where there are none."""
    own = decisions_path(source)
    return next((path.stat().st_mtime_ns for path in (own, _earlier(own)) if path.is_file()), 0)


def read_decisions(path: Path) -> dict[str, Decision]:
    """Return the decisions of a file by id; none if the file is not there.

    A file without a column ``decision`` is a list of exclusions, as earlier versions wrote it.

    Raises:
        DataError: it is no CSV file with a column ``id``, or a line makes no sense.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            if "id" not in (rows.fieldnames or ()):
                raise DataError(f"{path} needs a column id, got {', '.join(rows.fieldnames or ()) or 'nothing'}.")
            decisions = {}
            for row in rows:
                cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
                if cells["id"]:
                    decisions[spreadsheet.original(cells["id"])] = _parsed(cells, f"{path}, line {rows.line_num}")
            return decisions
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise DataError.unreadable(path, error) from error
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is no readable CSV file: {error}. Correct it, or delete it to go without these decisions."
        ) from error


def decide(source: str, decisions: Mapping[str, Decision]) -> None:
    """Store decisions about patches; earlier ones about the same patches are replaced.

    Raises:
        DataError: what is there cannot be read.
        StorageError: it cannot be written.
    """
    _change(source, lambda stored: {**stored, **decisions})


def take_back(source: str, ids: Iterable[str]) -> None:
    """Remove the decisions about patches. Raises :class:`DataError` or :class:`StorageError`."""
    removed = set(ids)
    _change(source, lambda stored: {name: each for name, each in stored.items() if name not in removed})


def apply_decisions(dataset: Dataset, decisions: Mapping[str, Decision]) -> Dataset:
    """Return the data set without the excluded patches, which are listed in its ``problems``, and with the new labels.

    Raises:
        DataError: nothing is left.
    """
    ids = dataset.table["id"]
    changed = {name: each.label for name, each in decisions.items() if each.kind == "relabel"}
    out = ids.isin([name for name, each in decisions.items() if each.kind == "exclude"]).to_numpy(bool)
    new = ids.map(changed).astype("Int8")
    labels = dataset.table["label"].mask(new.notna(), new)
    differs = (labels.fillna(-1) != dataset.table["label"].fillna(-1)).to_numpy(bool) & ~out
    if not out.any() and not differs.any():
        return dataset
    rows = np.flatnonzero(~out)
    if not len(rows):
        raise DataError(f"All {len(dataset)} patches of {dataset.name} are excluded; revoke some of these decisions.")
    excluded = [
        Problem(name, f"excluded: {decisions[name].reason or 'no reason'}", kind="by decisions") for name in ids[out]
    ]
    return replace(
        dataset,
        table=dataset.table.assign(label=labels).iloc[rows].reset_index(drop=True),
        store=RowStore(dataset.store, rows) if out.any() else dataset.store,
        masks=None if dataset.masks is None else dataset.masks[rows],
        problems=(*dataset.problems, *excluded),
        decided=Decided(len(excluded), int(differs.sum()), dataset.class_counts()),
        undecided=dataset,
    )


def to_csv(decisions: Mapping[str, Decision]) -> str:
    """Return decisions as CSV, in the order of their ids; spreadsheets find no formula in it."""
    rows = [(name, each.kind, each.label, each.reason) for name, each in sorted(decisions.items())]
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"label": "Int8"})
    return spreadsheet.table_csv(table, names=("id", "reason"))


def _change(source: str, change: Callable[[dict[str, Decision]], dict[str, Decision]]) -> None:
    path = decisions_path(source)
    try:
        make_folder(path.parent)
        with FileLock(path.with_suffix(".lock")):  # two people may decide at once, and both count
            atomic.write_text(path, to_csv(change(decisions_of(source))))
            _earlier(path).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}.") from error


def _earlier(path: Path) -> Path:
    return path.with_name("exclusions.csv")


def _parsed(cells: dict[str, str], where: str) -> Decision:
    kind, label, reason = cells["decision"] or "exclude", cells["label"], spreadsheet.original(cells["reason"])
    if kind not in KINDS or (kind == "relabel" and label not in ("0", "1")):
        raise DataError(
            f"{where}: a decision must be exclude, fine, or relabel with the label 0 or 1, got {kind!r} with label "
            f"{label!r}. Correct the line or delete it."
        )
    return Decision(kind, int(label) if kind == "relabel" else None, reason)
