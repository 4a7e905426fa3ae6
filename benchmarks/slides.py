"""How fast are whole slides, and what of it is reading?

A slide of demo patches with levels is written (tifffile is needed), read and predicted by one thread. Rates are
millions of pixels of tissue at the model's scale in a second of processor time, the best of the rounds. Beside them
stands the rate of the region map, or of single patches, in the same run, for which nothing is read and no OOD score is
computed.

    python benchmarks/slides.py
    python benchmarks/slides.py --slide FILE --mpp 0.25 --blocks 20 --engine openvino
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.bundle import load_bundle
from core.data import PATCH_SIZE, open_dataset
from core.prediction import Predictor
from core.prediction.engine import ENGINES, TORCH
from core.prediction.region import BLOCK, probabilities_of
from core.slides.infer import predict_block
from core.slides.plan import Grid, blocks
from core.slides.reader import Slide
from core.slides.tissue import find_tissue

MPP = 0.2425  # a quarter of the model's, as of a scan at 40×


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slide", type=Path)
    parser.add_argument("--mpp", type=float)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", choices=ENGINES, default=TORCH)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.slide or written(Path(folder) / "slide.tif")
        with Slide(path) as slide:
            mpp = slide.mpp(arguments.mpp)
            tissue, seconds = timed(lambda: find_tissue(slide, mpp))
            print(f"{slide.size[0]:,}×{slide.size[1]:,} pixels of {mpp:.3g} µm; tissue found in {seconds:.2f} s\n")
            print("| what | Mpx/s | reading, % | × of the same without a slide |")
            print("|---|---:|---:|---:|")
            for name, step in (("nodescope", 32), ("nodescope", 96), ("nodescope-net", 32), ("nodescope-net", 8)):
                predictor = Predictor(load_bundle(name), device=f"cpu:{arguments.engine}")
                grid = Grid.of(slide.size, mpp, step)
                chosen = list(islice(blocks(grid.tissue_cells(tissue), step), arguments.blocks))
                plain = max(unread(predictor, step) for _ in range(arguments.rounds))
                best = max(rates(path, chosen, grid, predictor) for _ in range(arguments.rounds))
                print(
                    f"| {name}, step {step} | {best[0]:.2f} | {100 * best[1]:.0f} | {best[0] / plain:.2f} |", flush=True
                )


def rates(path: Path, chosen: list, grid: Grid, predictor: Predictor) -> tuple[float, float]:
    """Return Mpx of tissue a second, and which share of the time was reading."""
    reading = network = pixels = 0.0
    with Slide(path) as slide:  # opened anew, so that nothing is cached
        for block in chosen:
            x, y, width, height = block.region(grid.step)
            read, seconds = timed(lambda: slide.read(x, y, width, height, scale=grid.scale))  # noqa: B023
            reading += seconds
            network += timed(lambda: predict_block(block, read, grid.step, predictor))[1]  # noqa: B023
            pixels += block.cells.sum() * grid.step**2 / 1e6
    return pixels / (reading + network), reading / (reading + network)


def unread(predictor: Predictor, step: int) -> float:
    """Return Mpx a second of the region map (steps of 8) or of single patches, without reading."""
    random = np.random.default_rng(0)
    if step == 8:
        side = PATCH_SIZE + step * (BLOCK - 1)
        picture = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
        return (step * BLOCK) ** 2 / 1e6 / timed(lambda: probabilities_of(predictor, picture))[1]
    patches = random.integers(0, 256, (512, PATCH_SIZE, PATCH_SIZE, 3), dtype=np.uint8)
    return len(patches) * step**2 / 1e6 / timed(lambda: predictor.predict(patches))[1]


def timed(work: Callable) -> tuple:
    """Return what `work` returns, and the seconds of processor time that it took."""
    started = time.process_time()
    return work(), time.process_time() - started


def written(path: Path) -> Path:
    """Write demo patches as a slide at four times the model's scale, with a level of half of it."""
    import tifffile

    patches = open_dataset("demo").store.load(np.arange(24 * 24)).pixels
    picture = patches.reshape(24, 24, 96, 96, 3).swapaxes(1, 2).reshape(24 * 96, 24 * 96, 3)
    shared = {"tile": (256, 256), "photometric": "rgb", "compression": "zlib"}
    with tifffile.TiffWriter(path) as writer:
        for enlarged in (4, 2):
            level = picture.repeat(enlarged, axis=0).repeat(enlarged, axis=1)
            writer.write(level, resolution=(1e4 / MPP, 1e4 / MPP), resolutionunit="CENTIMETER", metadata=None,
                         subfiletype=int(enlarged < 4), **shared)  # fmt: skip
    return path


if __name__ == "__main__":
    main()
