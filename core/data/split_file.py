"""A split as a small file that training follows.

It holds the rule, and not a line for every patch: the rule splits any copy of the data set in the same way. A hash of
all (id, split) pairs shows whether the result is still the same.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.data.dataset import CLASS_NAMES, SPLITS, Dataset
from core.data.split_rule import SplitRule
from core.data.splits import assign
from core.errors import ConfigError, DataError
from core.storage import atomic
from core.storage.home import home
from core.storage.record import typed
from core.storage.roots import require_allowed
from core.storage.schema import parse
from core.storage.spreadsheet import table_csv

FORMAT = "nodescope.split"
VERSION = 1
SUFFIX = ".json"


@dataclass(frozen=True)
class SplitFile:
    """A rule and what came of it.

    Attributes:
        rule: how the data set is split.
        name: of the data set it was made for.
        fingerprint: :meth:`core.data.Dataset.fingerprint` of it.
        counts: split -> class -> patches.
        digest: SHA-256 over the lines ``id,split`` of all labelled patches, sorted.
    """

    rule: SplitRule
    name: str
    fingerprint: str
    counts: dict[str, dict[str, int]]
    digest: str

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "data": self.name,
            "fingerprint": self.fingerprint,
            "rule": self.rule.to_json(),
            "patches": self.counts,
            "sha256": self.digest,
        }


def make_split_file(dataset: Dataset, rule: SplitRule, splits: npt.NDArray[np.str_]) -> SplitFile:
    """Return the file of the splits that :func:`core.data.assign` returned."""
    labels = dataset.table["label"].fillna(-1).to_numpy(np.int64)
    counts = {
        split: {name: int(((splits == split) & (labels == number)).sum()) for number, name in enumerate(CLASS_NAMES)}
        for split in SPLITS
    }
    return SplitFile(rule, dataset.name, dataset.fingerprint(), counts, _digest(dataset, splits))


def splits_home() -> Path:
    """Return the folder of the saved splits."""
    return home() / "splits"


def saved_splits() -> list[Path]:
    """Return the files in that folder, by name."""
    return sorted(splits_home().glob(f"*{SUFFIX}"))


def save_split(split: SplitFile, path: Path) -> None:
    """Write a split file atomically. Raises :class:`StorageError`."""
    atomic.write_json(path, split.to_json())


def load_split(path: Path) -> SplitFile:
    """Read a split file.

    Raises:
        DataError: it is missing, no split file, damaged, or of a later version.
    """
    require_allowed(path)
    try:
        value = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"There is no split file {path}. Check the path, or make it: python -m core split.") from error
    except OSError as error:
        raise DataError(f"The split file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{path} is no split file: it is not JSON. Make one with `python -m core split`.") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise DataError(f"{path} is no split file of Nodescope. Make one with `python -m core split`.")
    if value.get("version") != VERSION:
        raise DataError(f"{path} has version {value.get('version')}, and this Nodescope reads {VERSION}; update it.")
    try:
        rule = SplitRule.from_json(value["rule"])
        texts = (typed(str, value[name], name) for name in ("data", "fingerprint", "sha256"))
        name, fingerprint, digest = texts
        counts = typed(dict[str, dict[str, int]], value["patches"], "patches")
        return SplitFile(rule, name, fingerprint, counts, digest)
    except (KeyError, TypeError, ConfigError) as error:
        raise DataError(f"The split file {path} is damaged ({error}). Make it again.") from error


def apply_split(split: SplitFile, dataset: Dataset) -> npt.NDArray[np.str_]:
    """Split a data set as :func:`core.data.assign` does, and make sure that the result is that of the file.

    Raises:
        DataError: it is not.
    """
    splits = assign(dataset, split.rule)
    if _digest(dataset, splits) != split.digest:
        before = sum(sum(classes.values()) for classes in split.counts.values())
        now = int((splits != "").sum())
        raise DataError(
            f"The saved split was made for {split.name} with {before:,} labelled patches (fingerprint "
            f"{split.fingerprint}); {dataset.name} now has {now:,} ({dataset.fingerprint()}), and would be split "
            "otherwise. Use the data set as it was, or save the split again."
        )
    return splits


def parts_csv(dataset: Dataset, splits: npt.NDArray[np.str_]) -> str:
    """Return the id and the split of every labelled patch as CSV; the second column is called "part"."""
    table = pd.DataFrame({"id": dataset.table["id"].to_numpy(), "part": splits})
    return table_csv(table[splits != ""])


def _digest(dataset: Dataset, splits: npt.NDArray[np.str_]) -> str:
    pairs = zip(dataset.table["id"], splits, strict=True)
    lines = sorted(f"{patch_id},{split}" for patch_id, split in pairs if split)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
