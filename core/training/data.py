"""The patches of a run, divided into training, validation and test split."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.data import (
    Dataset,
    Decided,
    Problem,
    SplitRule,
    Subsample,
    assign,
    choose_rule,
    find_subsample,
    join,
    open_dataset,
)
from core.data.split_file import apply_split, load_split
from core.data.splits import CHOICES
from core.data.store import PATCH_SIZE, PatchStore, batches
from core.data.stored_patches import Pixels, StoredPatches, is_at_hand, unreadable_among
from core.errors import DataError
from core.progress import Progress, no_progress
from core.runs.config import TrainingConfig

UNLABELLED = -1
"""Stands where a training patch has no label."""


@dataclass(frozen=True)
class Source:
    """One of the data sets of a run and how it is divided.

    Attributes:
        dataset: what is divided.
        rule: how.
        splits: "train", "valid", "test", or "" for rows without a label and for training patches that are left out.
        subsample: which training patches are learnt from; None is all.
    """

    dataset: Dataset
    rule: SplitRule
    splits: np.ndarray
    subsample: Subsample | None = None

    def provenance(self) -> dict[str, Any]:
        """Return what a bundle's card says of it."""
        counts = {part: int((self.splits == part).sum()) for part in ("train", "valid", "test")}
        decided = self.dataset.decided or Decided()
        return {
            "name": self.dataset.name,
            "kind": self.dataset.kind,
            "fingerprint": self.dataset.fingerprint(),
            "split": self.rule.to_json(),
            "thinning": None if self.subsample is None else self.subsample.to_json(),
            "patches": counts,
            "decisions": {"excluded": decided.excluded, "relabelled": decided.relabelled},
        }


@dataclass(frozen=True)
class Patches:
    """Patches that are used for one purpose.

    Attributes:
        ids: text (N,).
        pixels: uint8 N×96×96×3; an array, or what is gathered from a pack when it is asked for.
        labels: int64 (N,); -1 for a training patch that only teachers teach.
        slides: text (N,), or None where they are not known for all.
    """

    ids: np.ndarray
    pixels: Pixels
    labels: np.ndarray
    slides: np.ndarray | None

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, count: int) -> "Patches":
        """Return the first `count` of them."""
        slides = None if self.slides is None else self.slides[:count]
        return Patches(self.ids[:count], self.pixels[:count], self.labels[:count], slides)


@dataclass(frozen=True)
class TrainingData:
    """What a run trains on.

    Attributes:
        sources: the data sets with their division; the first one chooses epoch, temperature and threshold.
        train: training patches of all sources, those without a label last.
        valid: validation patches of the first source.
        problems: patches that could not be read and were left out.
    """

    sources: tuple[Source, ...]
    train: Patches
    valid: Patches
    problems: tuple[Problem, ...]

    def test(self, number: int) -> Patches:
        """Read the test split of source `number`."""
        source = self.sources[number]
        return read_patches(source.dataset, np.flatnonzero(source.splits == "test"))[0]

    def split_table(self) -> pd.DataFrame:
        """Return id and split of every labelled patch, but for training patches that are left out."""
        tables = [
            pd.DataFrame({"id": source.dataset.table["id"], "part": source.splits})[source.splits != ""]
            for source in self.sources
        ]
        return pd.concat(tables, ignore_index=True)


def gather(
    datasets: list[Dataset],
    *,
    split: str = "default",
    split_seed: int = 0,
    folds: int = 0,
    fold: int = 0,
    patches: int = 0,
    unlabelled: bool = False,
    progress: Progress = no_progress,
) -> TrainingData:
    """Divide the data sets and read their training and validation patches.

    Args:
        datasets: the first one validates.
        split: one of :data:`core.data.splits.CHOICES`, or the path of a split file for the first data set; the others
            are then divided by default.
        split_seed: of a split that is drawn.
        folds: 0, or how many folds there are.
        fold: which of them is the test split, from 0 on.
        patches: how many labelled training patches of the first data set are learnt from, drawn by `split_seed`; 0 is
            all. The others are used whole: it is the first one's test split that tells what more patches are worth.
        unlabelled: patches without a label, which belong to no split, join the training patches.
        progress: receives the finished share.

    Raises:
        DataError: a split is empty or has one class only, there are fewer training patches than are to be learnt from,
            a split by slide is wanted and slides are not known, or the data set has changed since its split was saved.
    """
    sources = divide(datasets, split=split, split_seed=split_seed, folds=folds, fold=fold, patches=patches)
    everything = join(datasets)
    valid, valid_problems = read_patches(datasets[0], np.flatnonzero(sources[0].splits == "valid"))
    train, train_problems = read_patches(everything, train_rows(sources, everything, unlabelled=unlabelled), progress)
    _check(datasets[0].name, train=train, valid=valid)
    return TrainingData(tuple(sources), train, valid, (*train_problems, *valid_problems))


@dataclass(frozen=True)
class OpenedData:
    """Data sets and what is trained on.

    Attributes:
        sources: the data sets with their splits.
        everything: all of them joined.
        train: the rows of `everything` that are trained on, int64; those without a label last.
    """

    sources: tuple[Source, ...]
    everything: Dataset
    train: np.ndarray


def open_training_data(config: TrainingConfig) -> OpenedData:
    """Open and divide the data sets of a training.

    Raises:
        DataError: one cannot be opened or divided like that.
    """
    datasets = [open_dataset(source, decisions=config.decisions or None) for source in config.data]
    sources = divide(
        datasets, split=config.split, split_seed=config.split_seed, folds=config.folds, fold=config.fold,
        patches=config.patches,
    )  # fmt: skip
    everything = join(datasets)
    return OpenedData(tuple(sources), everything, train_rows(sources, everything, unlabelled=config.unlabelled))


def divide(
    datasets: list[Dataset],
    *,
    split: str = "default",
    split_seed: int = 0,
    folds: int = 0,
    fold: int = 0,
    patches: int = 0,
) -> list[Source]:
    """Divide the data sets and read no patch; arguments and errors are those of :func:`gather`."""
    sources: list[Source] = []
    for dataset in datasets:
        if split in CHOICES or sources:
            choice = split if split in CHOICES else "default"
            rule = choose_rule(dataset, choice, seed=split_seed, folds=folds, fold=fold)
            sources.append(Source(dataset, rule, assign(dataset, rule)))
        else:
            saved = load_split(Path(split))
            sources.append(Source(dataset, saved.rule, apply_split(saved, dataset)))
    first = sources[0]
    subsample = find_subsample(first.dataset, first.splits, patches=patches, seed=split_seed)
    if subsample is not None:
        sources[0] = replace(first, splits=subsample.apply(first.dataset, first.splits), subsample=subsample)
    return sources


def train_rows(sources: list[Source], everything: Dataset, *, unlabelled: bool) -> np.ndarray:
    """Return the rows of the joined data set that are trained on, int64; those without a label last."""
    rows = np.flatnonzero(np.concatenate([source.splits for source in sources]) == "train")
    if not unlabelled:
        return rows
    return np.concatenate([rows, np.flatnonzero(everything.table["label"].isna().to_numpy())])


def read_patches(dataset: Dataset, rows: np.ndarray, progress: Progress = no_progress) -> tuple[Patches, list[Problem]]:
    """Return the patches of `rows`, and those of them that could not be read and were left out.

    Patches of a pack stay in its memory map, which may be larger than the memory; others are decoded once, here.
    """
    ids = dataset.table["id"].to_numpy(dtype=object)[rows]
    if is_at_hand(dataset.store):
        decoded, unreadable = None, unreadable_among(dataset.store, rows)
        progress(1.0)
    else:
        decoded, unreadable = _decoded(dataset.store, rows, progress)
    usable = np.ones(len(rows), bool)
    usable[list(unreadable)] = False
    problems = [Problem(str(ids[position]), reason) for position, reason in unreadable.items()]
    rows, ids = rows[usable], ids[usable]
    pixels: Pixels = StoredPatches(dataset.store, rows)
    if decoded is not None:
        pixels = decoded if usable.all() else decoded[usable]
    labels = dataset.table["label"].iloc[rows].fillna(UNLABELLED).to_numpy(dtype=np.int64)
    return Patches(ids, pixels, labels, dataset.slides(rows)), problems


def _decoded(store: PatchStore, rows: np.ndarray, progress: Progress) -> tuple[np.ndarray, dict[int, str]]:
    """Return the patches of `rows`, and the position of each unreadable one with the reason."""
    pixels = np.empty((len(rows), PATCH_SIZE, PATCH_SIZE, 3), np.uint8)
    unreadable: dict[int, str] = {}
    done = 0
    for chosen, loaded in batches(store, rows, progress=progress):
        pixels[done : done + len(chosen)] = loaded.pixels
        unreadable.update({done + position: reason for position, reason in loaded.unreadable.items()})
        done += len(chosen)
    return pixels, unreadable


def _check(name: str, **parts: Patches) -> None:
    for part, patches in parts.items():
        counts = np.bincount(patches.labels[patches.labels != UNLABELLED], minlength=2)
        if counts.min() == 0:
            raise DataError(
                f"{name}: the {part} split has {counts[0]} normal and {counts[1]} tumour patches, and both are needed. "
                "Use more patches, or another split seed."
            )
