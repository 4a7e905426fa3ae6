"""What stands for a training on a GPU: a device whose tensors have no numbers, settings with all changes, patches."""

import numpy as np
import torch

from core.runs import Augmentation, TrainingConfig
from core.training.patches import Patches

CPU, META = torch.device("cpu"), torch.device("meta")
ALL = Augmentation(stain=0.2, brightness=0.1, rotation=20, blur=1.0, cutout=0.5)
CONFIG = TrainingConfig(batch_size=8, device="cpu", ema=0.9, augmentation=ALL, clip=1.0, balance="weights")


def part(count: int = 24) -> Patches:
    """Return a split of random patches."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)
    return Patches(np.arange(count).astype(str), pixels, np.arange(count) % 2, None)
