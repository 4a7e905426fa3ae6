"""Batches that are ready to be learnt from: gathered, on the device, changed at random.

What a batch holds follows from the seed, its step and its rows only. So it may be made ahead, by a thread, while the
network works on the one before; on a GPU on a stream of its own, with one transfer for all that was drawn.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from core.data.stored_patches import Pixels
from core.errors import TrainingError
from core.memory import in_portions, is_out_of_memory
from core.runs.config import TrainingConfig
from core.storage import portable
from core.training.augment import apply, blend, draw
from core.training.memory import fits_on_device, sent, sent_together
from core.training.patches import Patches

logger = logging.getLogger("nodescope.training")

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
        at_once: patches of a batch that are changed at once; 0 stands for all of them. It stands in the checkpoint:
            with another number the last digit may be another.

    Args:
        patches: the training patches.
        config: seed and augmentation.
        device: where the network works.
        share: which of how many processes this is; each takes every n-th patch of a batch, where n is their number.
        ahead: make the next batch in a thread; None does where a processor core or a GPU is free to.
        notify: gets a sentence when the memory has run out.
    """

    def __init__(
        self,
        patches: Patches,
        config: TrainingConfig,
        *,
        device: torch.device,
        share: tuple[int, int] = (0, 1),
        ahead: bool | None = None,
        notify: Callable[[str], None] = lambda _: None,
    ):
        self._labels = torch.from_numpy(patches.labels.astype(np.float32))
        self._stored = patches.pixels
        self.at_once = 0
        # uint8: as many bytes as values.
        self.resident = fits_on_device(math.prod(patches.pixels.shape), device)
        self._on_device = _copied_to(device, patches.pixels) if self.resident else None
        self._config, self._device, self._share = config, device, share
        self._ahead = _may_work_ahead(device) if ahead is None else ahead
        self._notify = notify
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            self._stream.wait_stream(torch.cuda.current_stream(device))  # the patches have to be there

    def batch(self, rows: np.ndarray, step: int) -> Batch:
        """Return the batch of a step: this process's share of `rows`, changed as all processes have drawn alike.

        Raises:
            TrainingError: there is no memory for it, not even changed one patch after the other.
        """
        count = len(rows)

        def less(size: int) -> None:
            if not size:
                raise TrainingError(
                    f"There is not enough memory to prepare a batch of {count} patches. Close other programs, or "
                    "choose a smaller batch; the last checkpoint is kept."
                )
            message = f"Out of memory while a batch was prepared: {size} patches at once from now on."
            logger.warning("%s", message)
            self._notify(message)
            self.at_once = size

        return in_portions(lambda size: self._batch(rows, step, size), self.at_once or count, self._device, less=less)

    def batches(self, rows: Iterable[np.ndarray], *, first: int) -> Iterator[Batch]:
        """Yield the batch of each of `rows`, whose steps are counted from `first`."""
        wanted = enumerate(rows, start=first)
        if not self._ahead:
            yield from (self.batch(each, step) for step, each in wanted)
            return
        with ThreadPoolExecutor(1, thread_name_prefix="loader") as thread:

            def begun() -> list[tuple[np.ndarray, int, Future[Batch]]]:
                return [(each, step, thread.submit(self._beside, each, step)) for step, each in islice(wanted, 1)]

            waiting = begun()
            while waiting:
                # The next batch is begun before this one is handed out, so that it is made while the network
                # learns. One is enough for that, and keeps two at most in memory.
                batch = self._taken(*waiting.pop())
                waiting = begun()
                yield batch

    def _beside(self, rows: np.ndarray, step: int) -> Batch:
        """Make a batch while the network works, on a GPU without waiting for it."""
        with torch.cuda.stream(self._stream):  # None changes nothing
            return self._batch(rows, step, self.at_once or len(rows))

    def _taken(self, rows: np.ndarray, step: int, made: Future[Batch]) -> Batch:
        """Return a batch that was made beside the network's work, as this thread may use it."""
        try:
            batch = made.result()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            batch = None
        if batch is None:
            del made  # its error keeps what was made so far
            # Once more where it failed: between two steps the network needs the least memory.
            return self.batch(rows, step)
        if self._stream is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_stream(self._stream)
            for each in (batch.images, batch.labels):
                each.record_stream(current)  # else the other stream might use its memory again too early
        return batch

    def _batch(self, rows: np.ndarray, step: int, size: int) -> Batch:
        """Return a batch whose patches are changed `size` at once."""
        place, others = self._share
        # Every process draws for the whole batch, so that the changes do not depend on the number of processes.
        changes = draw(
            len(rows), self._config.augmentation, torch.Generator().manual_seed(mix(self._config.seed, step))
        ).of(slice(place, None, others))
        own = np.ascontiguousarray(rows[place::others])
        chosen = torch.from_numpy(own)
        labels = self._labels[chosen]
        if (without := changes.without_label()) is not None:
            labels = labels.masked_fill(without, -1)  # nobody has labelled what is there now

        def there(drawn: Sequence[Tensor]) -> Sequence[Tensor]:
            nonlocal chosen, labels
            chosen, labels, *drawn = sent_together([chosen, labels, *drawn], self._device)
            return drawn

        # Of the whole batch, so that it is the same for any number of processes.
        other = None if changes.partners is None else np.ascontiguousarray(rows[changes.partners.numpy()])
        changes = changes.changed(there)
        pixels = self._pixels(own, chosen)
        if other is not None and changes.shares is not None:
            pixels = blend(pixels, self._pixels(other, sent(torch.from_numpy(other), self._device)), changes.shares)
        parts = [slice(start, start + size) for start in range(0, len(own), size)]
        images = [apply(pixels[part], changes.of(part)) for part in parts]
        whole = images[0] if len(images) == 1 else torch.cat(images)
        return Batch(step, whole.contiguous(memory_format=torch.channels_last), labels)

    def _pixels(self, rows: np.ndarray, chosen: Tensor) -> Tensor:
        """Return patches, uint8 N×3×96×96 on the device, by their rows here and there."""
        if self._on_device is None:
            pixels = sent(torch.from_numpy(self._stored[rows]), self._device)
        else:
            pixels = self._on_device.index_select(0, chosen)
        return pixels.permute(0, 3, 1, 2)


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
