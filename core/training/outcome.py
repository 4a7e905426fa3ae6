"""What a training leaves behind, to be made a bundle of."""

from dataclasses import dataclass

from torch import Tensor

from core.bundle import Bundle
from core.runs.config import TrainingConfig
from core.training.data import TrainingData


@dataclass(frozen=True)
class Outcome:
    """What the bundle of a run is made of; nothing of it is in a GPU's memory, nor holds what is.

    Attributes:
        config: the settings.
        training_data: the patches.
        weights: that are shipped, by name, on the CPU.
        epoch: whose weights they are, from 1.
        metrics: the row of ``metrics.csv`` of that epoch.
        teachers: the bundles that were learnt from.
        device: on what it was trained, in words.
        seconds: that were worked on the run.
    """

    config: TrainingConfig
    training_data: TrainingData
    weights: dict[str, Tensor]
    epoch: int
    metrics: dict[str, float]
    teachers: tuple[Bundle, ...]
    device: str
    seconds: float
