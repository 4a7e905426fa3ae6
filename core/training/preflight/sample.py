"""Some of the patches that a run would train on: for measurements before the start, which must not take long."""

from dataclasses import dataclass

import numpy as np

from core.data.stored_patches import is_at_hand
from core.errors import DataError
from core.progress import Progress, no_progress
from core.runs.config import TrainingConfig
from core.training.data import find_stain, open_training_data
from core.training.patches import Patches, read_patches

FEWEST = 2048
"""At least this number of patches is drawn, or a batch if that is more; all of them where there are fewer."""


@dataclass(frozen=True)
class Sample:
    """Training patches drawn at random, and how many a run would have.

    Attributes:
        patches: the patches that were drawn and can be read.
        train: number of all training patches.
        valid: number of all validation patches.
        is_decoded: whether a run holds all its patches in memory, because there is no pack.
    """

    patches: Patches
    train: int
    valid: int
    is_decoded: bool


def draw_sample(config: TrainingConfig, *, progress: Progress = no_progress) -> Sample:
    """Open the data of a run and read some of its training patches.

    Raises:
        DataError: the data cannot be opened or divided, or no training patch can be read.
    """
    divided = open_training_data(config)
    rows, everything = divided.train, divided.everything
    wanted = min(len(rows), max(FEWEST, config.batch_size))
    drawn = np.sort(np.random.default_rng(config.seed).permutation(len(rows))[:wanted])
    patches, unreadable = read_patches(everything, rows[drawn], progress)
    if not len(patches):
        raise DataError(
            f"{everything.name} has no training patch that can be read, so nothing can be tried on it. "
            f"{unreadable[0] if unreadable else everything.left_out()}".rstrip()
        )
    # In an order of their own: rows come sorted, and each batch must hold some of all.
    mixed = patches.some(np.random.default_rng([config.seed, 1]).permutation(len(patches)))
    return Sample(
        mixed.seen(find_stain(config, patches)),
        train=len(rows),
        valid=int((divided.sources[config.validation_data - 1].splits == "valid").sum()),
        is_decoded=not is_at_hand(everything.store),
    )
