"""The gradients of one step, in pieces where the memory does not suffice for the whole batch."""

import logging
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import NodescopeError, TrainingError
from core.memory import give_back, is_out_of_memory
from core.runs.config import TrainingConfig
from core.training.distillation import Targets, Teachers, targets_of
from core.training.loader import Batch, mix
from core.training.precision import Precision
from core.training.sampling import class_weights

logger = logging.getLogger("nodescope.training")


class Gradients:
    """Makes the gradients of a step.

    Attributes:
        pieces: number of pieces that a step's patches are worked on in; their gradients are added up. Norms over a
            batch see one piece.
        teachers: whose predictions are learnt from, if any.
        model: the prepared network.
        is_compiled: whether that is a compiled one.

    Args:
        model: see above.
        plain: what is gone on with where the compiled one fails or no longer fits, in one process; None where `model`
            is not compiled.
        config: the settings.
        labels: of the training patches, int64 (N,), for the weights of the classes.
        precision: in which numbers are computed.
        device: where the network works.
        teachers: see above.
        share: which of how many processes this is.
        notify: gets a sentence when the memory has run out.
    """

    def __init__(
        self,
        model: nn.Module,
        config: TrainingConfig,
        labels: np.ndarray,
        *,
        precision: Precision,
        device: torch.device,
        teachers: Teachers | None = None,
        share: tuple[int, int] = (0, 1),
        plain: nn.Module | None = None,
        notify: Callable[[str], None],
    ):
        self._plain = plain
        self.model, self.config, self.precision, self.device = model, config, precision, device
        self.teachers, self.notify = teachers, notify
        self.pieces = 1
        self._share = share
        self._class_weights = None
        if config.balance == "weights":
            self._class_weights = torch.from_numpy(class_weights(labels).astype(np.float32)).to(device)

    @property
    def is_compiled(self) -> bool:
        """Whether a compiled network is at work."""
        return self._plain is not None

    def go_plain(self) -> None:
        """Go on without the compiled network."""
        if self._plain is not None:
            self.model, self._plain = self._plain, None

    def make(self, batch: Batch) -> Tensor:
        """Return the mean loss of a batch; the gradients, scaled as `precision` says, are on the parameters.

        Raises:
            TrainingError: there is not even memory for two patches, or not for the share of one of several processes.
        """
        while True:
            try:
                return self._piecewise(batch)
            except NodescopeError:
                raise
            except Exception as error:
                lacking = is_out_of_memory(error)
                # A compiler may fail in any step, as when another shape comes; of several processes none goes alone.
                if not lacking and (self._plain is None or self._share[1] > 1):
                    raise
                reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            # Outside of the handler, because the error's traceback keeps the tensors of the attempt in memory.
            if lacking:
                self._halve(len(batch.images))
            else:
                self.model.zero_grad()
                logger.warning("The compiled network failed, and learns as it is from now on. %s", reason)
                self.go_plain()

    def _piecewise(self, batch: Batch) -> Tensor:
        # Seeded for each step, so that a resumed run drops the same units; + 1 keeps clear of the augmentation's seed,
        # and each process has a seed of its own.
        torch.manual_seed(mix(self.config.seed + 1 + self._share[0], batch.step))  # dropout
        teaching = targets_of(
            batch.labels,
            smoothing=self.config.label_smoothing,
            class_weights=self._class_weights,
            distillation=self.config.distillation if self.teachers else None,
        )
        total = torch.zeros((), device=self.device)
        for piece in torch.arange(len(batch.images)).chunk(self.pieces):
            here = slice(int(piece[0]), int(piece[-1]) + 1)
            loss = self._loss(batch.images[here], teaching.some(here))
            # By its share of the patches, so that the gradients add up to those of the mean over the whole batch.
            loss = loss * (len(piece) / len(batch.images))
            scaled: Tensor = self.precision.scaler.scale(loss)
            # Within the loop, because it frees the activations of this piece before the next one makes its own.
            scaled.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _loss(self, images: Tensor, teaching: Targets) -> Tensor:
        predictions = self.teachers.probabilities(images) if self.teachers else None
        with self.precision.cast():
            logits = self.model(images)
        # The loss is float32 also under autocast: bf16 keeps fewer than three digits.
        return teaching.loss(logits.float(), predictions)

    def _halve(self, patches: int) -> None:
        """Work on half as many patches at once from now on, after the memory did not suffice."""
        # What the attempt left in the gradients would be added to those of the next.
        self.model.zero_grad()
        give_back(self.device)
        before = -(-patches // self.pieces)
        # Each backward pass averages the gradients over all processes, so one cannot make more of them than the others.
        if self._share[1] > 1:
            raise TrainingError(
                f"There is not enough memory for {before} patches at once in one of {self._share[1]} processes. Resume "
                "the run in one process, which works on a batch in pieces, or start one with a smaller batch; the last "
                "checkpoint is kept."
            )
        if before <= 2:
            raise TrainingError(
                f"There is not enough memory for {before} patches at once. Close other programs, or choose a smaller "
                "network; the last checkpoint is kept."
            )
        self.pieces *= 2
        self.go_plain()  # it was compiled for the whole batch
        message = (
            f"Out of memory with {before} patches at once: each step of {patches} is now worked on in {self.pieces} "
            "pieces whose gradients are added up."
        )
        logger.warning("%s", message)
        self.notify(message)
