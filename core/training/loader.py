"""Batches that are ready to be learnt from: gathered, on the device, changed at random.

What a batch holds follows from the seed, its step and its rows only. So it may be made ahead, by a thread, while the
network works on the one before.
"""

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from core.data.stored_patches import Pixels
from core.errors import TrainingError
from core.runs.config import TrainingConfig
from core.storage import portable
from core.training.augment import apply, draw
from core.training.data import Patches
from core.training.memory import fits_on_device, is_out_of_memory

PIECE = 1024
"""Patches that go to a GPU at once."""


@dataclass(frozen=True)
class Batch:
    """What one step works on.

    Attributes:
        step: its number among all steps of the run, from 0.
        images: float N×3×96×96 in [0, 1], channels last in memory.
        labels: float (N,); -1 for none, as of a patch that was moved.
    """

    step: int
    images: Tensor
    labels: Tensor


class BatchLoader:
    """Makes the batches of one process.

    Attributes:
        resident: whether all patches lie in the memory of the GPU.

    Args:
        patches: the training patches.
        config: seed and augmentation.
        device: where the network works.
        share: which of how many processes this is; each takes every n-th patch of a batch, where n is their number.
        ahead: make the next batch in a thread; None does where a processor core or a GPU is free to.
    """

    def __init__(
        self,
        patches: Patches,
        config: TrainingConfig,
        *,
        device: torch.device,
        share: tuple[int, int] = (0, 1),
        ahead: bool | None = None,
    ):
        self._labels = torch.from_numpy(patches.labels.astype(np.float32)).to(device)
        self._stored = patches.pixels
        # uint8: as many bytes as values.
        self.resident = fits_on_device(math.prod(patches.pixels.shape), device)
        self._on_device = _copied_to(device, patches.pixels) if self.resident else None
        self._config, self._device, self._share = config, device, share
        self._ahead = _may_work_ahead(device) if ahead is None else ahead

    def batch(self, rows: np.ndarray, step: int) -> Batch:
        """Return the batch of a step: this process's share of `rows`, changed as all processes have drawn alike.

        Raises:
            TrainingError: there is no memory for it.
        """
        try:
            return self._batch(rows, step)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise TrainingError(
                f"There is not enough memory to prepare a batch of {len(rows)} patches. Close other programs, or "
                "choose a smaller batch; the last checkpoint is kept."
            ) from error

    def batches(self, rows: Iterable[np.ndarray], *, first: int) -> Iterator[Batch]:
        """Yield the batch of each of `rows`, whose steps are counted from `first`."""
        wanted = enumerate(rows, start=first)
        if not self._ahead:
            yield from (self.batch(each, step) for step, each in wanted)
            return
        with ThreadPoolExecutor(1, thread_name_prefix="loader") as thread:
            waiting = [thread.submit(self.batch, each, step) for step, each in islice(wanted, 1)]
            while waiting:
                # The next batch is begun before this one is handed out, so that it is made while the network
                # learns. One is enough for that, and keeps two at most in memory.
                batch = waiting.pop().result()
                waiting = [thread.submit(self.batch, each, step) for step, each in islice(wanted, 1)]
                yield batch

    def _batch(self, rows: np.ndarray, step: int) -> Batch:
        place, others = self._share
        # Every process draws for the whole batch, so that the changes do not depend on the number of processes.
        changes = draw(
            len(rows), self._config.augmentation, torch.Generator().manual_seed(mix(self._config.seed, step))
        )
        own = np.ascontiguousarray(rows[place::others])
        chosen = torch.from_numpy(own).to(self._device)
        if self._on_device is None:
            pixels = torch.from_numpy(self._stored[own]).to(self._device)
        else:
            pixels = self._on_device.index_select(0, chosen)
        images = apply(pixels.permute(0, 3, 1, 2), changes.of(slice(place, None, others)))
        labels = self._labels[chosen]
        if changes.moved is not None:
            # Other tissue lies in the centre now, and nobody has labelled it.
            labels = labels.masked_fill(changes.moved[place::others].to(self._device), -1)
        return Batch(step, images.contiguous(memory_format=torch.channels_last), labels)


def _copied_to(device: torch.device, pixels: Pixels) -> Tensor:
    """Return all patches in the memory of a GPU; they go there in pieces, so that none need lie in memory twice."""
    copy = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(pixels), PIECE):
        copy[start : start + PIECE] = torch.from_numpy(pixels[start : start + PIECE])
    return copy


def mix(seed: int, step: int) -> int:
    """Return a 63-bit seed that differs for every pair."""
    # A sum would not do: step 1 of one seed would have the numbers of step 0 of the next seed.
    return int(np.random.SeedSequence([seed, step]).generate_state(2, np.uint32).view(np.uint64)[0] >> np.uint64(1))


def _may_work_ahead(device: torch.device) -> bool:
    # The cores that this process may use, where the system tells. With only one, a thread takes time from the network.
    return device.type == "cuda" or portable.cores() > 1
