"""Steps a second of training: the notebook's way, Nodescope's, and what the network alone would allow.

Run: ``python benchmarks/training.py``. Same network, batch and number of threads. The ways take turns, so that other
work on the machine strikes all alike; each figure is that of the best round, since other work can only slow it down.
Time is told by the clock and, on a CPU, as processor time, which other work disturbs less but which no thread can hide.

(a) notebook: a file a patch opened by Pillow, flips and rotation by torchvision, DataLoader without workers, fp32,
    Adam, as in the notebook; a process of its own, with the memory settings that Python comes with.
ours: Nodescope's own step, with its flips, turns, stain and brightness jitter; the next batch is made by a thread where
    a core is free for it.
(b) ceiling: the same step on one fixed batch that is ready on the device, nothing read and nothing augmented.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import models
from core.runs import Augmentation, TrainingConfig
from core.training.loader import Batch
from core.training.memory import keep_memory
from core.training.patches import Patches
from core.training.sampling import epoch_order
from core.training.step import TrainStep

PATCHES = 512
NETWORKS = ("notebook-cnn", "keras-cnn", "efficientnet-lite0", "nodescope-net", "resnet50")
ROUND_SECONDS = 2.0
Rate = tuple[float, float]  # steps a second by the clock, and a second of processor time


class Files(Dataset[tuple[torch.Tensor, int]]):
    """The notebook's data set: a .tif a patch, opened each time."""

    def __init__(self, folder: Path, labels: np.ndarray):
        self.paths, self.labels = sorted(folder.glob("*.tif")), labels
        self.transform = transforms.Compose(
            [
                transforms.RandomHorizontalFlip(),
                transforms.RandomVerticalFlip(),
                transforms.RandomRotation(45),
                transforms.ToTensor(),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.paths[index]) as image:
            return self.transform(image.convert("RGB")), int(self.labels[index])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="fp32", help="of Nodescope's step; the notebook's is fp32")
    parser.add_argument("--compile", default="off", help="auto compiles Nodescope's step")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(
        f"batch {arguments.batch}, {arguments.device}, {arguments.precision}, threads {arguments.threads}, "
        f"cores {cores}, torch {torch.__version__}\n"
    )
    print(
        "| network | time | (a) notebook's way, steps/s | ours, steps/s | (b) ceiling, steps/s | ours / (a) "
        "| ours / (b) |"
    )
    print("|---|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        pixels, _ = patches()
        for number, patch in enumerate(pixels):
            Image.fromarray(patch).save(Path(folder) / f"{number:04}.tif")
        for model in arguments.networks:
            for line in rows(model, folder, arguments):
                print(line, flush=True)


def patches() -> tuple[np.ndarray, np.ndarray]:
    """Return pixels and labels of the patches that all ways train on."""
    pixels = np.random.default_rng(0).integers(0, 256, (PATCHES, 96, 96, 3), dtype=np.uint8)
    return pixels, (np.arange(PATCHES) % 2).astype(np.int64)


def rows(model: str, folder: str, arguments: argparse.Namespace) -> list[str]:
    """Return the rows of the table for a network."""
    config = TrainingConfig(
        model=model, batch_size=arguments.batch, device=arguments.device, optimiser="adam", weight_decay=0.0,
        schedule="constant", learning_rate=1e-4, precision=arguments.precision, compile=arguments.compile,
        augmentation=Augmentation(stain=0.1, brightness=0.05),
    )  # fmt: skip
    theirs, own = Worker(notebook, config, folder, arguments.threads), Worker(both, config, folder, arguments.threads)
    try:
        best = {"notebook": (0.0, 0.0), "ours": (0.0, 0.0), "ceiling": (0.0, 0.0)}
        for _ in range(arguments.rounds):
            for worker, way in ((theirs, "notebook"), (own, "ours"), (own, "ceiling")):
                rate = worker.measure(way)
                best[way] = (max(best[way][0], rate[0]), max(best[way][1], rate[1]))
    finally:
        theirs.end()
        own.end()
    kinds = ("clock", "processor") if arguments.device == "cpu" else ("clock",)
    return [row(model, kind, *(best[way][number] for way in best)) for number, kind in enumerate(kinds)]


def row(model: str, kind: str, theirs: float, own: float, top: float) -> str:
    """Return a row of the table."""
    return f"| {model} | {kind} | {theirs:.2f} | {own:.2f} | {top:.2f} | {own / theirs:.2f} | {own / top:.2f} |"


class Worker:
    """A process that trains in some ways, a round at a time."""

    def __init__(
        self,
        make: Callable[[TrainingConfig, str], dict[str, Iterator[None]]],
        config: TrainingConfig,
        folder: str,
        threads: int,
    ):
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_work, args=(other, make, config, folder, threads))
        self._process.start()

    def measure(self, way: str) -> Rate:
        """Return the rates of a round."""
        self._pipe.send(way)
        rate: Rate = self._pipe.recv()
        return rate

    def end(self) -> None:
        """End the process."""
        self._pipe.send("")
        self._process.join()


def _work(
    pipe: Connection,
    make: Callable[[TrainingConfig, str], dict[str, Iterator[None]]],
    config: TrainingConfig,
    folder: str,
    threads: int,
) -> None:
    torch.set_num_threads(threads)
    ways = make(config, folder)
    for steps in ways.values():
        next(steps)
        next(steps)  # warms up
    while way := pipe.recv():
        pipe.send(_round(ways[way]))


def _round(steps: Iterator[None]) -> Rate:
    clock, processor, count = time.perf_counter(), time.process_time(), 0
    while count < 2 or time.perf_counter() - clock < ROUND_SECONDS:
        next(steps)
        count += 1
    return count / (time.perf_counter() - clock), count / (time.process_time() - processor)


def notebook(config: TrainingConfig, folder: str) -> dict[str, Iterator[None]]:
    """Return steps as the notebook does them."""
    return {"notebook": _notebook_steps(config, Files(Path(folder), patches()[1]))}


def _notebook_steps(config: TrainingConfig, files: Files) -> Iterator[None]:
    device = torch.device(config.device)
    network = models.Normalised(models.build(config.model), mean=config.mean, std=config.std).to(device).train()
    optimiser = torch.optim.Adam(network.parameters(), config.learning_rate)
    loader = DataLoader(files, batch_size=config.batch_size, shuffle=True, drop_last=True)
    while True:
        for images, labels in loader:
            loss = F.binary_cross_entropy_with_logits(network(images.to(device)), labels.float().to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            loss.item()
            yield


def both(config: TrainingConfig, folder: str) -> dict[str, Iterator[None]]:
    """Return Nodescope's steps, and the same on a batch that is ready."""
    del folder
    keep_memory()
    pixels, labels = patches()
    part = Patches(np.arange(PATCHES).astype(str), pixels, labels, None)
    train_step = TrainStep(config, part)
    train_step.prepare(frozen=False)
    return {"ours": _our_steps(train_step, part), "ceiling": _ceiling(train_step)}


def _our_steps(train_step: TrainStep, part: Patches) -> Iterator[None]:
    for batch in train_step.loader.batches(_all_rows(part, train_step.batch_size), first=0):
        float(train_step.learn(batch))
        yield


def _all_rows(part: Patches, size: int) -> Iterator[np.ndarray]:
    epoch = 0
    while True:
        order = epoch_order(part.labels, seed=0, epoch=epoch)
        yield from (order[start : start + size] for start in range(0, len(order) - size + 1, size))
        epoch += 1


def _ceiling(train_step: TrainStep) -> Iterator[None]:
    ready = train_step.loader.batch(np.arange(train_step.batch_size), 0)
    for step in range(10**9):
        float(train_step.learn(Batch(step, ready.images, ready.labels)))
        yield


if __name__ == "__main__":
    main()
