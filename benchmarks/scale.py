"""What a full-size data set costs beside a small one: opening, a page of patches, memory, batched reading.

Run: ``python benchmarks/scale.py [--large 220025] [--folder DIR]``. A Kaggle folder of so many patches is made of hard
links to 2,000 patches of the demo, so that it needs no space itself; its pack needs 27,648 bytes a patch (6.1 GB for
220,025) and is deleted afterwards. Both sizes are measured in one run, each in a process of its own, so that memory
is its own too.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.data import make_pack, open_dataset, open_demo
from core.data.pack_workers import available_workers
from core.display import mosaic, to_jpeg, to_png

ROOT = Path(__file__).resolve().parents[1]
SMALL = 2_000
PAGE = 90
REPEATS = 15
BATCH = 256


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=220_025)
    parser.add_argument("--folder", type=Path, help="where the folders and packs are made for the time being")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(measure(arguments.measure)))
        return
    demo = open_demo()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        os.environ["NODESCOPE_HOME"] = str(Path(place) / "home")
        found = []
        for count in (SMALL, arguments.large):
            folder = make_folder(Path(place) / str(count), count, demo.store.load(np.arange(SMALL)).pixels)
            started = time.perf_counter()
            make_pack(open_dataset(folder, raw=True), workers=available_workers())
            seconds = time.perf_counter() - started
            print(f"packed {count:,} in {seconds:.1f} s, {count / seconds:,.0f} a second", file=sys.stderr)
            words = [sys.executable, __file__, "--measure", str(folder)]
            done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=ROOT)
            found.append({"packing, patches/s": count / seconds, **json.loads(done.stdout)})
            shutil.rmtree(Path(place) / "home")
        report(found, arguments.large)


def make_folder(folder: Path, count: int, pixels: np.ndarray) -> Path:
    """Make a Kaggle folder of `count` patches that are links to as many files as there are pixels."""
    (folder / "train").mkdir(parents=True)
    ids = [f"{number:040x}" for number in range(count)]
    for number, name in enumerate(ids):
        path = folder / "train" / f"{name}.tif"
        if number < len(pixels):
            Image.fromarray(pixels[number]).save(path)
        else:
            os.link(folder / "train" / f"{ids[number % len(pixels)]}.tif", path)
    lines = ["id,label", *(f"{name},{number % 5 // 3}" for number, name in enumerate(ids))]
    (folder / "train_labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def measure(folder: Path) -> dict[str, float]:
    """Measure one packed folder in this process."""
    process = psutil.Process()
    before = process.memory_full_info()
    started = time.perf_counter()
    dataset = open_dataset(folder)
    opening = time.perf_counter() - started
    random = np.random.default_rng(0)
    pages = [random.integers(0, len(dataset) // PAGE) * PAGE + np.arange(PAGE) for _ in range(REPEATS)]
    page = median(lambda rows: picture(dataset, rows), pages)
    after = process.memory_full_info()
    raw = open_dataset(folder, raw=True)
    near = min(len(dataset), SMALL)  # as a training holds it: the pages of the file are in memory
    batches = [random.integers(0, near, BATCH) for _ in range(REPEATS)]
    dataset.store.load(np.arange(near))
    gather = BATCH / median(dataset.store.load, batches)
    files = BATCH / median(raw.store.load, batches)
    png = median(lambda rows: [to_png(patch) for patch in dataset.store.load(rows).pixels], pages[:5])
    return {
        "open packed, s": opening,
        f"page of {PAGE} as one JPEG, ms": 1e3 * page,
        f"page of {PAGE} as PNGs, ms": 1e3 * png,
        "memory of its own, MB": (after.uss - before.uss) / 1e6,
        "memory with mapped file, MB": (after.rss - before.rss) / 1e6,
        "batched gather, patches/s": gather,
        "PIL per file, patches/s": files,
        "gather / PIL per file": gather / files,
    }


def picture(dataset: object, rows: np.ndarray) -> bytes:
    """Return a page as the Browse page makes it."""
    pixels = dataset.store.load(rows).pixels  # type: ignore[attr-defined]
    return to_jpeg(mosaic(pixels, dataset.labels(rows).tolist(), columns=15).pixels)  # type: ignore[attr-defined]


def median(work: Callable[[np.ndarray], object], given: list[np.ndarray]) -> float:
    """Return the median time in seconds; the first is done once more before, to warm up."""
    work(given[0])
    times = []
    for rows in given:
        started = time.perf_counter()
        work(rows)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def report(found: list[dict[str, float]], large: int) -> None:
    """Print one row for each figure: small, large, and their ratio."""
    print(f"| figure | {SMALL:,} patches | {large:,} patches | ratio |\n|---|---:|---:|---:|")
    for name in found[0]:
        small, big = (each[name] for each in found)
        ratio = f"{big / small:.2f}" if abs(small) > 1e-9 else "—"
        print(f"| {name} | {small:,.4g} | {big:,.4g} | {ratio} |")


if __name__ == "__main__":
    main()
