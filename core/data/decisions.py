"""What people decided about single patches: exclude it, give it a label, or leave it as it is.

``decisions.csv`` lies beside the pack of its data set (see :func:`core.data.pack_folder`), only grows (see
:mod:`core.data.journal`) and has the columns ``id``, ``decision`` (one of :data:`KINDS`, or :data:`TAKEN_BACK`),
``label`` (of "relabel": 0 or 1), ``reason``, ``by`` and ``at``. Pages, commands and training apply it whenever they
open the data set. An ``exclusions.csv`` of earlier versions is read where there is no such file, and is merged into it
with the first decision.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from core.data.dataset import Dataset, Decided, Problem
from core.data.journal import LINE, WHEN, WHO, Cells, Journal
from core.data.pack_blocks import pack_folder
from core.data.store import RowStore
from core.errors import DataError

Kind = Literal["exclude", "relabel", "fine", "skip"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NONE = "none"
"""Instead of a file: apply no decisions."""

TAKEN_BACK = "none"
"""In the file: what was decided about the patch before no longer counts."""

COLUMNS = ("id", "decision", "label", "reason")


@dataclass(frozen=True)
class Decision:
    """What somebody decided about a patch.

    Attributes:
        kind: "exclude" removes it from the data set, "relabel" gives it `label`, also where it has none, "fine" says
            that its label was reviewed and is right, "skip" that somebody saw it and cannot tell.
        label: 0 or 1 with "relabel", else None.
        reason: free text.
        by: who decided; empty where nobody said.
        at: when, as ISO 8601 in UTC; empty in files of earlier versions.
    """

    kind: Kind
    label: int | None = None
    reason: str = ""
    by: str = field(default="", compare=False)
    at: str = field(default="", compare=False)

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
    return _last(_journal(path).read(), path)


def decide(source: str, decisions: Mapping[str, Decision | None], *, by: str = "") -> None:
    """Store decisions about patches by id, None to take one back; they count instead of earlier ones about these.

    Raises:
        DataError: what is there cannot be read.
        StorageError: it cannot be written.
    """
    stored = decisions_of(source)
    path = decisions_path(source)
    earlier = _earlier(path)
    rows = [
        {"id": name, "decision": TAKEN_BACK} if each is None else _cells(name, each)
        for name, each in decisions.items()
        if each is not None or name in stored
    ]
    _journal(path).append(rows, by=by, earlier=[_cells(*each) for each in read_decisions(earlier).items()])
    earlier.unlink(missing_ok=True)


def decision_lines(source: str) -> list[Cells]:
    """Return all that was ever decided about a data set, in order. Raises :class:`DataError`."""
    return _journal(decisions_path(source)).read()


def decision_of(line: Cells) -> Decision | None:
    """Return what a line decides; None where it takes back what was decided before. Raises :class:`DataError`."""
    return None if line["decision"] == TAKEN_BACK else _parsed(line, f"line {line[LINE]}")


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
    return _journal(Path()).text([_cells(name, each) for name, each in sorted(decisions.items())])


def _journal(path: Path) -> Journal:
    return Journal(path, COLUMNS)


def _cells(name: str, decision: Decision) -> Cells:
    label = "" if decision.label is None else str(decision.label)
    about = {"id": name, "decision": decision.kind, "label": label, "reason": decision.reason}
    return {**about, WHO: decision.by, WHEN: decision.at}


def _earlier(path: Path) -> Path:
    return path.with_name("exclusions.csv")


def _last(lines: Iterable[Cells], path: Path) -> dict[str, Decision]:
    """Return what counts of each patch, the latest decision last."""
    found: dict[str, Decision] = {}
    for cells in lines:
        found.pop(cells["id"], None)
        if cells["decision"] != TAKEN_BACK:
            found[cells["id"]] = _parsed(cells, f"{path}, line {cells[LINE]}")
    return found


def _parsed(cells: Cells, where: str) -> Decision:
    kind, label = cells["decision"] or "exclude", cells["label"]
    if kind not in KINDS or (kind == "relabel" and label not in ("0", "1")):
        raise DataError(
            f"{where}: a decision must be {', '.join(KINDS)} or {TAKEN_BACK}, and relabel needs the label 0 or 1, got "
            f"{kind!r} with label {label!r}. Correct the line or delete it."
        )
    return Decision(kind, int(label) if kind == "relabel" else None, cells["reason"], cells[WHO], cells[WHEN])
