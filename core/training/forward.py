"""The answers of a network on many patches, in batches of a fixed size."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from core.errors import TrainingError
from core.prediction import as_input
from core.runs.config import TrainingConfig
from core.training.data import Part
from core.training.memory import is_out_of_memory

logger = logging.getLogger("nodescope.training")

BATCH = 128


class Forward:
    """Runs networks over parts, and makes do with smaller batches where the memory does not suffice.

    Attributes:
        batch: patches in one pass. It stands in the checkpoint: with another size the last digit may be another.

    Args:
        device: where the network is.
        say: told in words when the memory has run out.
    """

    def __init__(self, device: torch.device, *, say: Callable[[str], None] = lambda _: None):
        self.batch = BATCH
        self._device, self._say = device, say

    def logits(self, model: nn.Module, part: Part) -> np.ndarray:
        """Return the logits (N,), float64.

        Raises:
            TrainingError: there is not even memory for one patch.
        """
        while True:
            try:
                return self._logits(model, part)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            self._halve()

    @torch.inference_mode()
    def _logits(self, model: nn.Module, part: Part) -> np.ndarray:
        parts = [
            model(as_input(part.pixels[start : start + self.batch], self._device)).double().cpu().numpy()
            for start in range(0, len(part), self.batch)
        ]
        return np.concatenate(parts)

    def _halve(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if self.batch == 1:
            raise TrainingError(
                "There is not enough memory to validate a single patch. Close other programs, or choose a smaller "
                "network; the last checkpoint is kept."
            )
        words = f"Out of memory with {self.batch} validation patches at once: {self.batch // 2} from now on."
        self.batch //= 2
        logger.warning("%s", words)
        self._say(words)


@contextmanager
def validating(network: nn.Module, config: TrainingConfig, epoch: int) -> Iterator[None]:
    """Have dropout on for the body, where the settings ask for it; which units drop out follows from seed and epoch."""
    dropouts = [each for each in network.modules() if isinstance(each, nn.Dropout | nn.Dropout2d)]
    if not config.dropout_in_validation:
        yield
        return
    words = np.random.SeedSequence([config.seed, epoch, 2]).generate_state(1)
    torch.manual_seed(int(words[0]))
    for each in dropouts:
        each.train()
    try:
        yield
    finally:
        for each in dropouts:
            each.eval()
