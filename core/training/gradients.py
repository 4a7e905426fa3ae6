"""The gradients of one step, in pieces where the memory does not suffice for the whole batch."""

import logging
from collections.abc import Callable

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import TrainingError
from core.prediction import as_input
from core.training.augment import augment
from core.training.batches import class_weights
from core.training.config import TrainingConfig
from core.training.material import Part
from core.training.memory import is_out_of_memory

logger = logging.getLogger("nodescope.training")


class Gradients:
    """Makes the gradients of a step.

    Attributes:
        pieces: a step's patches are worked on in so many pieces, whose gradients are added up. Norms that look at a
            batch see a piece.

    Args:
        accelerator: device, precision and processes.
        model: the prepared network.
        optimiser: whose gradients are taken back when the memory runs out.
        config: the settings.
        train: the training patches.
        say: told in words when the memory has run out.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        config: TrainingConfig,
        train: Part,
        *,
        say: Callable[[str], None],
    ):
        self.accelerator, self.model, self.optimiser = accelerator, model, optimiser
        self.config, self.train, self.say = config, train, say
        self.pieces = 1
        self.class_weights = class_weights(train.labels)

    def make(self, rows: np.ndarray, step: int) -> Tensor:
        """Return the mean loss of `step` over `rows`; the gradients are on the parameters.

        Raises:
            TrainingError: there is not even memory for two patches.
        """
        loss = self._attempt(rows, step)
        while loss is None:
            self._halve(len(rows))
            loss = self._attempt(rows, step)
        return loss

    def _attempt(self, rows: np.ndarray, step: int) -> Tensor | None:
        """Return the mean loss of a step after its gradients are made; None if the memory does not suffice."""
        try:
            return self._piecewise(rows, step)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _piecewise(self, rows: np.ndarray, step: int) -> Tensor:
        generator = torch.Generator().manual_seed(_mix(self.config.seed, step))
        torch.manual_seed(_mix(self.config.seed + 1, step))  # dropout
        images = as_input(self.train.pixels[rows], self.accelerator.device)
        images = augment(images, self.config.augmentation, generator)
        labels = self.train.labels[rows]
        images, targets = self._share(images), self._share(_tensor(labels, self.accelerator.device))
        weights = None
        if self.config.balance == "weights":
            weights = self._share(_tensor(self.class_weights[labels], self.accelerator.device))
        total = torch.zeros((), device=self.accelerator.device)
        for piece in torch.arange(len(images)).chunk(self.pieces):
            here = slice(int(piece[0]), int(piece[-1]) + 1)
            loss = self._loss(images[here], targets[here], None if weights is None else weights[here])
            loss = loss * (len(piece) / len(images))
            self.accelerator.backward(loss)
            total += loss.detach()
        return total

    def _loss(self, images: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        smooth = self.config.label_smoothing
        logits = self.model(images.contiguous(memory_format=torch.channels_last)).float()
        return F.binary_cross_entropy_with_logits(logits, targets * (1 - smooth) + smooth / 2, weight=weights)

    def _halve(self, patches: int) -> None:
        """Work on half as many patches at once from now on, after the memory did not suffice."""
        self.optimiser.zero_grad()
        if self.accelerator.device.type == "cuda":
            torch.cuda.empty_cache()
        before = -(-patches // self.pieces)
        if before <= 2:
            raise TrainingError(
                f"There is not enough memory for {before} patches at once. Close other programs, or choose a smaller "
                "network; the last checkpoint is kept."
            )
        self.pieces *= 2
        words = (
            f"Out of memory with {before} patches at once: each step of {patches} is now worked on in {self.pieces} "
            "pieces whose gradients are added up."
        )
        logger.warning("%s", words)
        self.say(words)

    def _share(self, batch: Tensor) -> Tensor:
        """Return what this process works on of a batch that all processes have drawn alike."""
        return batch[self.accelerator.process_index :: self.accelerator.num_processes]


def _tensor(labels: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(labels.astype(np.float32)).to(device)


def _mix(seed: int, step: int) -> int:
    """Return a 63-bit seed that differs for every pair."""
    return int(np.random.SeedSequence([seed, step]).generate_state(2, np.uint32).view(np.uint64)[0] >> np.uint64(1))
