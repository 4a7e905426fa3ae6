"""What a run will cost, from a few measured steps of exactly its settings."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psutil
import torch

from core.data.store import PATCH_BYTES
from core.device import describe_device
from core.formatting import duration, file_size
from core.progress import Progress, no_progress, within
from core.runs.config import TrainingConfig
from core.storage.record import Record
from core.training.memory import fits_on_device, memory_in_use
from core.training.preflight.sample import Sample, draw_sample
from core.training.sampling import epoch_order
from core.training.step import TrainStep
from core.training.validation import Forward

# The first step also allocates the memory and the optimiser's state, which no later one does.
WARM_UP, FEWEST, MOST = 1, 2, 12
"""Steps that are not measured, and how many are at least and at most."""

SECONDS = 15.0
"""No further step is begun after this time."""

_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Estimate(Record):
    """What a run will take, as measured on this machine while nothing or something else was at work on it.

    Attributes:
        seconds_per_step: the median of the measured steps.
        seconds_per_epoch: all steps of an epoch and its validation.
        seconds: all epochs; without reading the data and measuring the result, and with no early end.
        memory: bytes of the computer's memory at the highest point, for this process and all patches of the run,
            but for those that stay in a pack.
        device_memory: bytes of the GPU's memory at the highest point, with all training patches where a run keeps them
            there; None on a CPU.
        disk: bytes of the run's folder at the most: two checkpoints while one is replaced, and the bundle.
        steps_per_epoch: how many.
        train: training patches.
        valid: validation patches.
        measured: steps that were measured.
        device: its name.
    """

    seconds_per_step: float
    seconds_per_epoch: float
    seconds: float
    memory: int
    device_memory: int | None
    disk: int
    steps_per_epoch: int
    train: int
    valid: int
    measured: int
    device: str

    def sentence(self) -> str:
        """Return it in a sentence."""
        amounts = [
            f"{duration(self.seconds)} ({duration(self.seconds_per_epoch)} an epoch of {self.steps_per_epoch} steps)",
            f"{file_size(self.memory)} of memory",
            f"{file_size(self.disk)} of disk",
        ]
        if self.device_memory is not None:
            amounts.insert(2, f"{file_size(self.device_memory)} of GPU memory")
        return f"About {', '.join(amounts)}; from {self.measured} steps on {self.device}."


def estimate(config: TrainingConfig, *, progress: Progress = no_progress) -> Estimate:
    """Take a few steps of a run without making it, and return what all of them will cost.

    Raises:
        NodescopeError: the data cannot be used, or the settings do not fit.
    """
    sample = draw_sample(config, progress=within(progress, 0.0, 0.2))
    with _memory_peak() as peak:
        train_step = TrainStep(config, sample.patches)
        if train_step.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(train_step.device)
        steps = _measured_steps(config, train_step, sample, within(progress, 0.2, 0.9))
        validation = _seconds_to_validate(train_step, sample)
    per_step = float(np.median(steps))
    steps_per_epoch = sample.train // train_step.batch_size
    per_epoch = per_step * steps_per_epoch + validation
    progress(1.0)
    return Estimate(
        seconds_per_step=per_step,
        seconds_per_epoch=per_epoch,
        seconds=per_epoch * config.epochs,
        memory=peak() + (PATCH_BYTES * (sample.train + sample.valid - len(sample.patches)) if sample.is_decoded else 0),
        device_memory=_device_memory(train_step, sample),
        disk=_disk(train_step),
        steps_per_epoch=steps_per_epoch,
        train=sample.train,
        valid=sample.valid,
        measured=len(steps),
        device=describe_device(train_step.device),
    )


def _measured_steps(config: TrainingConfig, train_step: TrainStep, sample: Sample, progress: Progress) -> list[float]:
    """Return the seconds of each measured step, from one batch to the next."""
    # Epochs with a frozen backbone are cheaper; all are counted as if they were not.
    train_step.prepare(frozen=False)
    labels, size = sample.patches.labels, train_step.batch_size
    order = epoch_order(labels, seed=config.seed, epoch=0, balance=config.balance)
    # The sample from its start again where its patches do not suffice for all steps.
    rows = [np.resize(np.roll(order, -number * size), size) for number in range(WARM_UP + MOST)]
    found: list[float] = []
    began = last = time.monotonic()
    for batch in train_step.loader.batches(rows, first=0):
        # To fetch the loss waits for the GPU; else only the launch of its kernels would be measured.
        float(train_step.learn(batch))
        now = time.monotonic()
        if batch.step >= WARM_UP:
            found.append(now - last)
        last = now
        progress((batch.step + 1) / len(rows))
        if len(found) >= FEWEST and now - began > SECONDS:
            break
    return found


def _seconds_to_validate(train_step: TrainStep, sample: Sample) -> float:
    forward = Forward(train_step.device)
    patches = sample.patches.some(slice(forward.batch))
    train_step.network.eval()
    seconds = math.inf
    for _ in range(1 if train_step.device.type == "cpu" else 2):  # on a GPU the first one also loads its kernels
        began = time.monotonic()
        forward.logits(train_step.network, patches)
        seconds = time.monotonic() - began
    return seconds * sample.valid / len(patches)


def _device_memory(train_step: TrainStep, sample: Sample) -> int | None:
    """Return the most that was in use on a GPU, with all patches of a run in place of the sample's."""
    used = memory_in_use(train_step.device)["device_memory"]
    if used is None or not train_step.loader.resident:
        return used
    own = PATCH_BYTES * len(sample.patches)
    whole = PATCH_BYTES * sample.train
    return used - own + (whole if fits_on_device(whole, train_step.device) else 0)


def _disk(train_step: TrainStep) -> int:
    """Return the bytes of two checkpoints (network, average, kept weights, optimiser) and of a bundle in float16."""
    network = sum(value.numel() * value.element_size() for value in train_step.network.state_dict().values())
    states = train_step.optimiser.state_dict()["state"].values()
    optimiser = sum(value.numel() * value.element_size() for state in states for value in state.values())
    return int(2 * (3 * network + optimiser) + network // 2)


@contextmanager
def _memory_peak() -> Iterator[Callable[[], int]]:
    """Watch the memory of this process in the body; what is yielded returns the most that was seen, in bytes."""
    process, over = psutil.Process(), threading.Event()
    most = process.memory_info().rss

    def watch() -> None:
        nonlocal most
        while not over.wait(_POLL_SECONDS):
            most = max(most, process.memory_info().rss)

    thread = threading.Thread(target=watch, name="memory-peak", daemon=True)
    thread.start()
    try:
        yield lambda: int(most)
    finally:
        over.set()
        thread.join()
