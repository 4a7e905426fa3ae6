"""The patches of a run, divided into training, validation and test split."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.data import (
    SPLITS,
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
from core.data.shortage import shortage
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
        splits: "train", "valid", "test", or "" for rows without a label and for training patches that are excluded.
        subsample: which training patches are learnt from; None is all.
    """

    dataset: Dataset
    rule: SplitRule
    splits: np.ndarray
    subsample: Subsample | None = None

    def provenance(self) -> dict[str, Any]:
        """Return what a bundle's card says of it."""
        counts = {split: int((self.splits == split).sum()) for split in SPLITS}
        decided = self.dataset.decided or Decided()
        return {
            "name": self.dataset.name,
            "kind": self.dataset.kind,
            "fingerprint": self.dataset.fingerprint(),
            "split": self.rule.to_json(),
            # An older word, as is `part` in split_table: cards and homes of earlier versions stay readable.
            "thinning": None if self.subsample is None else self.subsample.to_json(),
            "patches": counts,
            "decisions": {"excluded": decided.excluded, "relabelled": decided.relabelled},
        }


@dataclass(frozen=True)
class Patches:
    """Patches that are used for one purpose.

    Attributes:
        ids: text (N,).
        pixels: uint8 N×96×96×3; an array, or what is gathered from a pack when it is needed.
        labels: int64 (N,); -1 for a training patch that only teachers teach.
        slides: the slide of each, or the patient where that is known, text (N,), see :meth:`core.data.Dataset.units`.
        unit: which of the two.
    """

    ids: np.ndarray
    pixels: Pixels
    labels: np.ndarray
    slides: np.ndarray | None
    unit: str = "slide"

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, count: int) -> "Patches":
        """Return the first `count` of them."""
        slides = None if self.slides is None else self.slides[:count]
        return replace(
            self, ids=self.ids[:count], pixels=self.pixels[:count], labels=self.labels[:count], slides=slides
        )


@dataclass(frozen=True)
class TrainingData:
    """What a run trains on.

    Attributes:
        sources: the data sets with their division; the first one chooses epoch, temperature and threshold.
        train: training patches of all sources, those without a label last.
        valid: validation patches of the first source.
        problems: patches that could not be read and were excluded.
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
        """Return id and split of every labelled patch, but for training patches that are excluded."""
        tables = [
            pd.DataFrame({"id": source.dataset.table["id"], "part": source.splits})[source.splits != ""]
            for source in self.sources
        ]
        return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class OpenedData:
    """Data sets and what is trained on; no patch is read yet.

    Attributes:
        sources: the data sets with their splits.
        everything: all of them joined.
        train: the rows of `everything` that are trained on, int64; those without a label last.
    """

    sources: tuple[Source, ...]
    everything: Dataset
    train: np.ndarray


def gather(datasets: list[Dataset], config: TrainingConfig, *, progress: Progress = no_progress) -> TrainingData:
    """Divide the data sets and read their training and validation patches.

    Args:
        datasets: those that `config` names; the first one validates.
        config: its `split` (a split file is for the first data set; the others are then divided by default),
            `split_seed`, `folds`, `fold`, `patches` (drawn from the first data set; the others are used whole, because
            it is the first one's test split that shows what more patches are worth) and `unlabelled`.
        progress: receives the finished share.

    Raises:
        DataError: a split is empty or has one class only, there are fewer training patches than are to be learnt from,
            a split by slide is chosen and slides are not known, or the data set has changed since its split was saved.
    """
    opened = _divided(datasets, config)
    valid, valid_problems = read_patches(datasets[0], np.flatnonzero(opened.sources[0].splits == "valid"))
    train, train_problems = read_patches(opened.everything, opened.train, progress)
    _check(opened.sources[0], [*train_problems, *valid_problems], train=train, valid=valid)
    return TrainingData(opened.sources, train, valid, (*train_problems, *valid_problems))


def open_training_data(config: TrainingConfig) -> OpenedData:
    """Open and divide the data sets of a training.

    Raises:
        DataError: one cannot be opened or divided like that.
    """
    return _divided([open_dataset(source, decisions=config.decisions or None) for source in config.data], config)


def divide(datasets: list[Dataset], config: TrainingConfig) -> list[Source]:
    """Divide the data sets and read no patch; arguments and errors are those of :func:`gather`."""
    sources: list[Source] = []
    for dataset in datasets:
        if config.split in CHOICES or sources:
            choice = config.split if config.split in CHOICES else "default"
            rule = choose_rule(dataset, choice, seed=config.split_seed, folds=config.folds, fold=config.fold)
            sources.append(Source(dataset, rule, assign(dataset, rule)))
        else:
            saved = load_split(Path(config.split))
            sources.append(Source(dataset, saved.rule, apply_split(saved, dataset)))
    first = sources[0]
    subsample = find_subsample(first.dataset, first.splits, patches=config.patches, seed=config.split_seed)
    if subsample is not None:
        sources[0] = replace(first, splits=subsample.apply(first.dataset, first.splits), subsample=subsample)
    return sources


def _divided(datasets: list[Dataset], config: TrainingConfig) -> OpenedData:
    sources, everything = divide(datasets, config), join(datasets)
    rows = np.flatnonzero(np.concatenate([source.splits for source in sources]) == "train")
    if config.unlabelled:
        rows = np.concatenate([rows, np.flatnonzero(everything.table["label"].isna().to_numpy())])
    return OpenedData(tuple(sources), everything, rows)


def read_patches(dataset: Dataset, rows: np.ndarray, progress: Progress = no_progress) -> tuple[Patches, list[Problem]]:
    """Return the patches of `rows`, and those of them that could not be read and were excluded.

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
    # This holds row numbers only; it is replaced where the patches had to be decoded.
    pixels: Pixels = StoredPatches(dataset.store, rows)
    if decoded is not None:
        # Choosing rows copies all of them, which would need the memory twice.
        pixels = decoded if usable.all() else decoded[usable]
    labels = dataset.table["label"].iloc[rows].fillna(UNLABELLED).to_numpy(dtype=np.int64)
    return Patches(ids, pixels, labels, dataset.units(rows), unit=dataset.unit or "slide"), problems


def _decoded(store: PatchStore, rows: np.ndarray, progress: Progress) -> tuple[np.ndarray, dict[int, str]]:
    """Return the patches of `rows`, and the position of each unreadable one with the reason."""
    # One array that is filled: joining the chunks at the end would need the memory twice.
    pixels = np.empty((len(rows), PATCH_SIZE, PATCH_SIZE, 3), np.uint8)
    unreadable: dict[int, str] = {}
    done = 0
    for chosen, loaded in batches(store, rows, progress=progress):
        pixels[done : done + len(chosen)] = loaded.pixels
        unreadable.update({done + position: reason for position, reason in loaded.unreadable.items()})
        done += len(chosen)
    return pixels, unreadable


def _check(first: Source, problems: list[Problem], **splits: Patches) -> None:
    for split, patches in splits.items():
        # An AUC needs both classes, and so does a decision threshold; bincount takes no -1.
        counts = np.bincount(patches.labels[patches.labels != UNLABELLED], minlength=2)
        if counts.min() == 0:
            why = shortage(first.dataset, first.rule, first.splits, unreadable=problems)
            raise DataError(
                f"{first.dataset.name}: the {split} split has {counts[0]:,} normal and {counts[1]:,} tumour patches, "
                f"and both are needed. {why}"
            )
