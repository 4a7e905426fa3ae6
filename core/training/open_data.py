"""The data sets of a training, opened and divided as its settings say, before any patch is read."""

from dataclasses import dataclass

import numpy as np

from core.data import Dataset, join, open_dataset
from core.runs.config import TrainingConfig
from core.training.data import Source, divide, train_rows


@dataclass(frozen=True)
class OpenedData:
    """Data sets and what is trained on.

    Attributes:
        sources: the data sets with their parts.
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
