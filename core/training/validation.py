"""Validation: the logits of a network on many patches, and a few patches whose probability is tracked by epoch."""

import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from core.errors import TrainingError
from core.memory import in_portions
from core.runs.config import TrainingConfig
from core.training.data import TrainingData
from core.training.memory import sent
from core.training.patches import Patches

logger = logging.getLogger("nodescope.training")

BATCH, ON_GPU = 128, 1024
"""Patches in one pass at first, on a CPU and on CUDA."""

TRACKED = 24
"""Patches that are tracked at most, half of each class."""


class Forward:
    """Runs networks over patches, in smaller batches where the memory does not suffice.

    Attributes:
        batch: patches in one pass. It stands in the checkpoint: with another size the last digit may be another.

    Args:
        device: where the network is.
        notify: gets a sentence when the memory has run out.
    """

    def __init__(self, device: torch.device, *, notify: Callable[[str], None] = lambda _: None):
        self.batch = ON_GPU if device.type == "cuda" else BATCH
        self._device, self._notify = device, notify

    def logits(self, model: nn.Module, patches: Patches) -> np.ndarray:
        """Return the logits (N,), float64.

        Raises:
            TrainingError: there is not even memory for one patch.
        """
        # From the first patch again after a failure, so that all logits come from batches of one size.
        return in_portions(lambda size: self._logits(model, patches, size), self.batch, self._device, less=self._less)

    @torch.inference_mode()
    def _logits(self, model: nn.Module, patches: Patches, size: int) -> np.ndarray:
        logits = [model(self._input(patches.pixels[start : start + size])) for start in range(0, len(patches), size)]
        # Fetched once, because a GPU has to stop for it; and float64 only here, which that of a Mac does not have.
        found: np.ndarray = torch.cat(logits).cpu().double().numpy()
        return found

    def _input(self, pixels: np.ndarray) -> Tensor:
        return sent(torch.from_numpy(np.ascontiguousarray(pixels)), self._device).permute(0, 3, 1, 2).float().div_(255)

    def _less(self, size: int) -> None:
        if not size:
            raise TrainingError(
                "There is not enough memory to validate a single patch. Close other programs, or choose a smaller "
                "network; the last checkpoint is kept."
            )
        message = f"Out of memory with {self.batch} validation patches at once: {size} from now on."
        self.batch = size
        logger.warning("%s", message)
        self._notify(message)


class Validation:
    """Measures the moving average of the weights after each epoch.

    Attributes:
        forward: computes the logits.

    Args:
        network: what is trained; a copy of it takes the values of the average.
        training_data: of the run.
        config: its settings.
        device: where the network is.
        notify: gets a sentence when the memory has run out.
    """

    def __init__(
        self,
        network: nn.Module,
        training_data: TrainingData,
        config: TrainingConfig,
        *,
        device: torch.device,
        notify: Callable[[str], None],
    ):
        self.forward = Forward(device, notify=notify)
        # "train" is a flawed recipe, as reported by earlier projects (core.runs.flaws); it touches these metrics only.
        self._patches = training_data.train if config.validate_on == "train" else training_data.valid
        self._rows = tracked_rows(self._patches.labels, seed=config.seed)
        self._averaged = copy.deepcopy(network).eval()
        self._config = config

    def logits(self, average: dict[str, Tensor], epoch: int) -> np.ndarray:
        """Return the logits, float64 (N,), under the averaged weights after `epoch` finished epochs."""
        self._averaged.load_state_dict(average)
        with validating(self._averaged, self._config, epoch):
            return self.forward.logits(self._averaged, self._patches)

    def metrics(self, logits: np.ndarray) -> dict[str, float]:
        """Return the columns of ``metrics.csv`` that logits (N,) give; the loss is in nats, accuracy is at 0.5."""
        labels = self._patches.labels
        return {
            # log(1 + exp(-logit)) of tumour and log(1 + exp(logit)) of normal patches: the cross-entropy, which cannot
            # overflow in this form.
            "valid_loss": float(np.mean(np.logaddexp(0, np.where(labels == 1, -logits, logits)))),
            "valid_auc": float(roc_auc_score(labels, logits)),
            "valid_accuracy": float(np.mean((logits >= 0) == labels)),
        }

    def tracked(self, logits: np.ndarray, epoch: int) -> list[dict[str, Any]]:
        """Return the rows of ``patches.csv`` for an epoch, from 1."""
        return tracked_probabilities(self._patches, self._rows, logits, epoch=epoch)


@contextmanager
def validating(network: nn.Module, config: TrainingConfig, epoch: int) -> Iterator[None]:
    """Have dropout on for the body, where the settings ask for it; which units drop out follows from seed and epoch."""
    dropouts = [each for each in network.modules() if isinstance(each, nn.Dropout | nn.Dropout2d)]
    if not config.dropout_in_validation:
        yield
        return
    # The 2 keeps clear of [seed, epoch], which draws the order of the epoch.
    state = np.random.SeedSequence([config.seed, epoch, 2]).generate_state(1)
    torch.manual_seed(int(state[0]))
    for each in dropouts:
        each.train()
    try:
        yield
    finally:
        for each in dropouts:
            each.eval()


def tracked_rows(labels: np.ndarray, *, seed: int) -> np.ndarray:
    """Return the rows of the patches that are tracked, int64 (at most 24,): normal ones first, the same for a seed.

    Args:
        labels: int64 (N,), 0 or 1.
        seed: of the run.
    """
    random = np.random.default_rng([seed, TRACKED])
    drawn = [np.sort(random.permutation(np.flatnonzero(labels == label))[: TRACKED // 2]) for label in (0, 1)]
    return np.concatenate(drawn)


def tracked_probabilities(
    patches: Patches, rows: np.ndarray, logits: np.ndarray, *, epoch: int
) -> list[dict[str, Any]]:
    """Return the rows of ``patches.csv`` for an epoch: how the network learns these patches.

    The sigmoid is written out because scipy.special.expit differs from it in the last bit.

    Args:
        patches: what was validated on.
        rows: of :func:`tracked_rows`.
        logits: (N,) of all that was validated on.
        epoch: from 1.
    """
    # exp overflows float64 beyond 709.
    probabilities = 1 / (1 + np.exp(-np.clip(logits[rows], -700, 700)))
    return [
        {
            "epoch": epoch,
            "id": str(patches.ids[row]),
            "label": int(patches.labels[row]),
            "probability": float(probability),
        }
        for row, probability in zip(rows, probabilities, strict=True)
    ]
