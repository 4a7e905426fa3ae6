"""The patches of a run, divided into training, validation and test split."""

import hashlib
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
from core.data.split_rule import CHOICES
from core.errors import DataError
from core.images.decode import decode_whole
from core.images.discover import read_file
from core.progress import Progress, no_progress
from core.runs.config import TrainingConfig
from core.stain import StainReference, reference_of, typical
from core.storage.roots import require_allowed
from core.training.patches import UNLABELLED, Patches, read_patches

LOOKED_AT = 500
"""Training patches among which a typical one is looked for."""

COMPARED = 256
"""Patches whose pixels stand for all when a run is resumed: reading 220,025 would take a minute from a slow disk."""


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
            # How classes and sizes were chosen; the root is a path of this computer.
            "choices": {name: each for name, each in self.dataset.choices.chosen().items() if name != "root"},
        }


@dataclass(frozen=True)
class TrainingData:
    """What a run trains on.

    Attributes:
        sources: the data sets with their division.
        train: training patches of all sources, those without a label last.
        valid: validation patches of one source, which choose epoch, temperature and threshold.
        problems: patches that could not be read and were excluded.
        validates: the number, from 0, of that source.
        stain: what their stains are normalised to for the network; None leaves them as they are.
    """

    sources: tuple[Source, ...]
    train: Patches
    valid: Patches
    problems: tuple[Problem, ...]
    validates: int = 0
    stain: StainReference | None = None

    def seen(self) -> "TrainingData":
        """Return them as the network sees them; a bundle's predictor normalises by itself and takes the others."""
        return replace(self, train=self.train.seen(self.stain), valid=self.valid.seen(self.stain))

    def test(self, number: int) -> Patches:
        """Read the test split of source `number`."""
        source = self.sources[number]
        return read_patches(source.dataset, np.flatnonzero(source.splits == "test"))[0]

    def digests(self) -> dict[str, str]:
        """Return 16 hex digits for each of "patches", "labels" and "pixels": what a run must find again to go on.

        Pixels are those of 256 patches spread over each split and what was done to the pictures of all.
        """
        used = (self.train, self.valid)
        pixels = hashlib.sha256()
        for each in used:
            pixels.update(repr(sorted(each.notes.items())).encode())
            if len(each):
                spread = np.linspace(0, len(each) - 1, min(len(each), COMPARED)).astype(np.int64)
                pixels.update(each.pixels[spread].tobytes())
        ids = "\n".join(str(patch_id) for each in used for patch_id in each.ids)
        labels = np.concatenate([each.labels for each in used])
        found = {"patches": hashlib.sha256(ids.encode()), "labels": hashlib.sha256(labels.tobytes()), "pixels": pixels}
        return {name: digest.hexdigest()[:16] for name, digest in found.items()}

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
        datasets: those that `config` names.
        config: its `validation_data`, `split` (a split file is for the first data set; the others are then divided by
            default), `split_seed`, `folds`, `fold`, `patches` (drawn from the first data set; the others are used
            whole, because it is the first one's test split that shows what more patches are worth) and `unlabelled`.
        progress: receives the finished share.

    Raises:
        DataError: a split is empty or has one class only, there are fewer training patches than are to be learnt from,
            a split by slide is chosen and slides are not known, or the data set has changed since its split was saved.
    """
    opened = _divided(datasets, config)
    validates = config.validation_data - 1
    chooses = opened.sources[validates]
    valid, valid_problems = read_patches(chooses.dataset, np.flatnonzero(chooses.splits == "valid"))
    train, train_problems = read_patches(opened.everything, opened.train, progress)
    _check(chooses, [*train_problems, *valid_problems], train=train, valid=valid)
    return TrainingData(opened.sources, train, valid, (*train_problems, *valid_problems), validates)


def find_stain(config: TrainingConfig, train: Patches) -> StainReference | None:
    """Return what a run normalises stains to, or None where it does not.

    Args:
        config: its `stain_normalisation` and `stain_reference`.
        train: the training patches, one of which is the reference where none is given.

    Raises:
        PatchError: the reference cannot be read, or its stains cannot be measured.
    """
    if config.stain_normalisation == "none":
        return None
    if config.stain_reference:
        path = Path(config.stain_reference).expanduser()
        require_allowed(path)
        return reference_of(decode_whole(read_file(path, path.name), name=path.name).pixels, config.stain_normalisation)
    # Always the same draw, so that the reference follows from data and settings.
    rows = np.sort(np.random.default_rng(0).permutation(len(train))[:LOOKED_AT])
    pixels = train.pixels[rows]
    return reference_of(pixels[typical(pixels)], config.stain_normalisation)


def open_training_data(config: TrainingConfig) -> OpenedData:
    """Open and divide the data sets of a training.

    Raises:
        DataError: one cannot be opened or divided like that.
    """
    return _divided([open_dataset(source, decisions=config.decisions or None) for source in config.data], config)


def divide(datasets: list[Dataset], config: TrainingConfig) -> list[Source]:
    """Divide the data sets and read no patch; arguments and errors are those of :func:`gather`."""
    sources: list[Source] = []
    for number, dataset in enumerate(datasets, 1):
        if config.split in CHOICES or sources:
            choice = config.split if config.split in CHOICES else "default"
            if number == config.validation_data > 1 and choice == "default" and _has_own(dataset):
                choice = "official"
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


def _has_own(dataset: Dataset) -> bool:
    """Whether a data set came with a training and a validation split, which may well be of other slides."""
    return {"train", "valid"} <= set(dataset.table["split"][dataset.table["label"].notna()])


def _divided(datasets: list[Dataset], config: TrainingConfig) -> OpenedData:
    sources, everything = divide(datasets, config), join(datasets)
    rows = np.flatnonzero(np.concatenate([source.splits for source in sources]) == "train")
    if config.unlabelled:
        rows = np.concatenate([rows, np.flatnonzero(everything.table["label"].isna().to_numpy())])
    return OpenedData(tuple(sources), everything, rows)


def _check(source: Source, problems: list[Problem], **splits: Patches) -> None:
    for split, patches in splits.items():
        # An AUC needs both classes, and so does a decision threshold; bincount takes no -1.
        counts = np.bincount(patches.labels[patches.labels != UNLABELLED], minlength=2)
        if counts.min() == 0:
            why = shortage(source.dataset, source.rule, source.splits, unreadable=problems)
            raise DataError(
                f"{source.dataset.name}: the {split} split has {counts[0]:,} normal and {counts[1]:,} tumour patches, "
                f"and both are needed. {why}"
            )
