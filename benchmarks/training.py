"""Steps a second of training: the notebook's way, Nodescope's, and what the network alone would allow.

Run: ``python benchmarks/training.py``. Same network, batch, optimiser and thread in one run, in turns, so that other
work on the machine strikes all alike; each figure is the best of the rounds, since other work can only slow it down.
On a CPU it is processor time, of which the one thread is all.

(a) notebook: a file a patch opened by Pillow, flips and rotation by torchvision, DataLoader without workers, as in the
    notebook; ours: Nodescope's own step, with its flips, turns, stain and brightness jitter.
(b) ceiling: the same step on one fixed batch that is ready on the device, nothing read and nothing augmented.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import models
from core.training import Augmentation, TrainingConfig, create_run
from core.training.loop import Loop
from core.training.material import Material, Part

PATCHES = 512


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
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    clock = time.process_time if arguments.device == "cpu" else time.perf_counter
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (PATCHES, 96, 96, 3), dtype=np.uint8)
    labels = (np.arange(PATCHES) % 2).astype(np.int64)
    print(f"batch {arguments.batch}, {arguments.device}, 1 thread, torch {torch.__version__}\n")
    print("| network | (a) notebook's way, steps/s | ours, steps/s | (b) ceiling, steps/s | ours / (a) | ours / (b) |")
    print("|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for number, patch in enumerate(pixels):
            Image.fromarray(patch).save(Path(folder) / f"{number:04}.tif")
        for model in ("notebook-cnn", "efficientnet-lite0"):
            config = TrainingConfig(
                model=model, batch_size=arguments.batch, device=arguments.device, optimiser="adam", weight_decay=0.0,
                schedule="constant", learning_rate=1e-4, precision="fp32",
                augmentation=Augmentation(stain=0.1, brightness=0.05),
            )  # fmt: skip
            part = Part(np.arange(PATCHES).astype(str), pixels, labels, None)
            with tempfile.TemporaryDirectory() as run:
                loop = Loop(create_run(config, Path(run) / "run"), config, Material((), part, part, ()))
                ways = {
                    "notebook": notebook(config, Files(Path(folder), labels), loop.device),
                    "ours": ours(loop),
                    "ceiling": ceiling(loop),
                }
                rates = measured(ways, steps=arguments.steps, rounds=arguments.rounds, clock=clock)
            notebooks, own, top = rates["notebook"], rates["ours"], rates["ceiling"]
            print(
                f"| {model} | {notebooks:.1f} | {own:.1f} | {top:.1f} | {own / notebooks:.1f} | {own / top:.2f} |",
                flush=True,
            )


def measured(
    ways: dict[str, Callable[[], None]], *, steps: int, rounds: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Return the best steps a second of each way; the ways take turns."""
    for step in ways.values():
        step()  # warms up
    best = dict.fromkeys(ways, 0.0)
    for _ in range(rounds):
        for name, step in ways.items():
            started = clock()
            for _ in range(steps):
                step()
            best[name] = max(best[name], steps / (clock() - started))
    return best


def notebook(config: TrainingConfig, files: Files, device: torch.device) -> Callable[[], None]:
    """Return a step as the notebook does it."""
    network = models.Normalised(models.build(config.model), mean=config.mean, std=config.std).to(device).train()
    optimiser = torch.optim.Adam(network.parameters(), config.learning_rate)
    batches = _forever(DataLoader(files, batch_size=config.batch_size, shuffle=True, drop_last=True))

    def step() -> None:
        images, labels = next(batches)
        loss = F.binary_cross_entropy_with_logits(network(images.to(device)), labels.float().to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()

    return step


def _forever(loader: DataLoader[tuple[torch.Tensor, int]]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    while True:
        yield from loader


def ours(loop: Loop) -> Callable[[], None]:
    """Return a step as Nodescope does it: gather, to the device, augment, forward, backward, optimiser, average."""
    batches = iter(())

    def step() -> None:
        nonlocal batches
        rows = next(batches, None)
        if rows is None:
            batches = loop._batches()
            rows = next(batches)
        loop.model.train()
        loop._step(rows)

    return step


def ceiling(loop: Loop) -> Callable[[], None]:
    """Return Nodescope's step on a batch that is ready: what is left when reading and augmenting cost nothing."""
    rows = np.arange(loop.batch_size)
    images = torch.from_numpy(loop.material.train.pixels[rows]).to(loop.device).permute(0, 3, 1, 2).float() / 255
    images = images.contiguous(memory_format=torch.channels_last)
    targets = torch.from_numpy(loop.material.train.labels[rows]).float().to(loop.device)

    def step() -> None:
        loop.model.train()
        loss = F.binary_cross_entropy_with_logits(loop.model(images), targets)
        loop.accelerator.backward(loss)
        loop.optimiser.step()
        loop.optimiser.zero_grad()
        loop.average.update(loop.accelerator.unwrap_model(loop.model), 0)
        loss.item()

    return step


if __name__ == "__main__":
    main()
