"""The patches of a run in memory, divided into parts."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from core.data import Dataset, Problem, SplitRule, assign, default_rule, join
from core.data.store import Progress
from core.errors import DataError

CHUNK = 1024


@dataclass(frozen=True)
class Source:
    """One of the data sets of a run and how it is divided."""

    dataset: Dataset
    rule: SplitRule
    parts: np.ndarray

    def provenance(self) -> dict[str, Any]:
        """Return what a bundle's card says of it."""
        counts = {part: int((self.parts == part).sum()) for part in ("train", "valid", "test")}
        return {
            "name": self.dataset.name,
            "kind": self.dataset.kind,
            "fingerprint": self.dataset.fingerprint(),
            "split": self.rule.to_json(),
            "patches": counts,
        }


@dataclass(frozen=True)
class Part:
    """Patches that are used for one purpose.

    Attributes:
        ids: text (N,).
        pixels: uint8 N×96×96×3.
        labels: int64 (N,).
        slides: text (N,), or None where they are not known for all.
    """

    ids: np.ndarray
    pixels: np.ndarray
    labels: np.ndarray
    slides: np.ndarray | None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Material:
    """What a run trains on.

    Attributes:
        sources: the data sets with their division; the first one chooses epoch, temperature and threshold.
        train: training patches of all sources.
        valid: validation patches of the first source.
        problems: patches that could not be read and were left out.
    """

    sources: tuple[Source, ...]
    train: Part
    valid: Part
    problems: tuple[Problem, ...]

    def test(self, number: int) -> Part:
        """Read the test part of source `number`."""
        source = self.sources[number]
        return _read(source.dataset, np.flatnonzero(source.parts == "test"))[0]

    def split_table(self) -> pd.DataFrame:
        """Return id and part of every labelled patch."""
        tables = [
            pd.DataFrame({"id": source.dataset.table["id"], "part": source.parts})[source.parts != ""]
            for source in self.sources
        ]
        return pd.concat(tables, ignore_index=True)


def gather(
    datasets: list[Dataset],
    *,
    split: Literal["default", "patch", "slide"] = "default",
    split_seed: int = 0,
    progress: Progress | None = None,
) -> Material:
    """Divide the data sets and read their training and validation patches.

    Args:
        datasets: the first one validates.
        split: "default" as :func:`core.data.default_rule` says; "patch" or "slide" a hashed split by that.
        split_seed: of a hashed split.
        progress: told the finished share.

    Raises:
        DataError: a part is empty or has one class only, or a split by slide is wanted and slides are not known.
    """
    sources = []
    for dataset in datasets:
        rule = (
            default_rule(dataset, seed=split_seed)
            if split == "default"
            else SplitRule(kind="hashed", by=split, seed=split_seed)
        )
        sources.append(Source(dataset, rule, assign(dataset, rule)))
    everything = join(datasets)
    parts = np.concatenate([source.parts for source in sources])
    valid_rows = np.flatnonzero(parts[: len(sources[0].parts)] == "valid")
    valid, valid_problems = _read(datasets[0], valid_rows)
    train, train_problems = _read(everything, np.flatnonzero(parts == "train"), progress)
    _check(datasets[0].name, train=train, valid=valid)
    return Material(tuple(sources), train, valid, (*train_problems, *valid_problems))


def _read(dataset: Dataset, rows: np.ndarray, progress: Progress | None = None) -> tuple[Part, list[Problem]]:
    pixels = np.empty((len(rows), 96, 96, 3), np.uint8)
    usable = np.ones(len(rows), bool)
    problems = []
    ids = dataset.table["id"].to_numpy(dtype=object)[rows]
    for start in range(0, len(rows), CHUNK):
        loaded = dataset.store.load(rows[start : start + CHUNK])
        pixels[start : start + CHUNK] = loaded.pixels
        for position, reason in loaded.unreadable.items():
            usable[start + position] = False
            problems.append(Problem(str(ids[start + position]), reason))
        if progress is not None:
            progress(min(1.0, (start + CHUNK) / len(rows)))
    labels, slides = dataset.labels(rows), dataset.slides(rows)
    if usable.all():
        return Part(ids, pixels, labels, slides), problems
    return Part(ids[usable], pixels[usable], labels[usable], None if slides is None else slides[usable]), problems


def _check(name: str, **parts: Part) -> None:
    for part, patches in parts.items():
        counts = np.bincount(patches.labels, minlength=2)
        if counts.min() == 0:
            raise DataError(
                f"{name}: the {part} part has {counts[0]} normal and {counts[1]} tumour patches, and both are needed. "
                "Use more patches, or another split seed."
            )
