"""What a full-size data set costs beside a small one: opening, a page of patches, memory, batched reading.

Run: ``python benchmarks/scale.py [--large 220025] [--folder DIR]``. A Kaggle folder of so many patches is made of hard
links to 2,000 patches of the demo, so that it needs no space itself; its pack needs 27,648 bytes a patch (6.1 GB for
220,025). Both are deleted afterwards, unless a folder is named: what lies there is used again.

Pages of both sizes are made in turns in one process, so that whatever else the computer does falls on both. "Warm" is a
page whose pixels the system holds in memory already, "cold" one that comes from the disk. Processor time is given
beside time by the clock: only the former is worth comparing where other work goes on. Memory is that of a process that
does nothing else. The page script is all that a click on Browse costs the server, without a browser.
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
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.data import Dataset, Pack, find_pack, make_pack, open_dataset, open_demo
from core.data.pack_blocks import open_store
from core.data.pack_workers import available_workers
from core.display import mosaic, to_jpeg, to_png

ROOT = Path(__file__).resolve().parents[1]
SMALL = 2_000
SLIDES = 400
PAGE = 90
PAGES = 60
OPENINGS = 5
BATCH = 256
BATCHES = 15

Figures = dict[str, float]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=220_025)
    parser.add_argument("--folder", type=Path, help="where the folders and packs are made, and kept")
    parser.add_argument("--measure", choices=MEASURED, help=argparse.SUPPRESS)
    parser.add_argument("--of", nargs="+", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(MEASURED[arguments.measure](*arguments.of)))
        return
    place = (arguments.folder or Path(tempfile.mkdtemp())).resolve()
    pixels = open_demo().store.load(np.arange(SMALL)).pixels
    os.environ["NODESCOPE_HOME"] = str(place / "home")
    try:
        report(place, [SMALL, arguments.large], pixels)
    finally:
        if arguments.folder is None:
            shutil.rmtree(place)


def report(place: Path, sizes: list[int], pixels: np.ndarray) -> None:
    """Make what is missing, measure, and print one row for each figure: small, large, and their ratio."""
    folders = [make_folder(place / str(count), count, pixels) for count in sizes]
    found: list[Figures] = [packed(folder) for folder in folders]
    for name in ("pages", "reading"):
        for figures, more in zip(found, measured(name, *folders), strict=True):
            figures.update(more)
    for name in ("memory", "script"):
        for figures, folder in zip(found, folders, strict=True):
            figures.update(measured(name, folder)[0])
    print(f"| figure | {sizes[0]:,} patches | {sizes[1]:,} patches | ratio |\n|---|---:|---:|---:|")
    for name in found[0]:
        small, large = (figures[name] for figures in found)
        ratio = f"{large / small:.2f}" if small else "—"
        print(f"| {name} | {rounded(small)} | {rounded(large)} | {ratio} |")


def rounded(value: float) -> str:
    """Return three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def measured(name: str, *folders: Path) -> list[Figures]:
    """Measure in a process of its own."""
    words = [sys.executable, __file__, "--measure", name, "--of", *map(str, folders)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    figures: list[Figures] = json.loads(done.stdout.splitlines()[-1])
    return figures


def make_folder(folder: Path, count: int, pixels: np.ndarray) -> Path:
    """Make a Kaggle folder of `count` patches of known slides, links to as many files as there are pixels."""
    if (folder / "train_labels.csv").is_file():
        return folder
    (folder / "train").mkdir(parents=True)
    ids = [f"{number:040x}" for number in range(count)]
    for number, name in enumerate(ids):
        path = folder / "train" / f"{name}.tif"
        if number < len(pixels):
            Image.fromarray(pixels[number]).save(path)
        else:
            os.link(folder / "train" / f"{ids[number % len(pixels)]}.tif", path)
    lines = [f"{name},{number % 5 // 3},slide_{number * SLIDES // count:03d}" for number, name in enumerate(ids)]
    (folder / "train_labels.csv").write_text("\n".join(["id,label,slide", *lines, ""]))
    return folder


def packed(folder: Path) -> Figures:
    """Pack a folder, unless it is; look at every file of it in any case."""
    started, spent = time.perf_counter(), time.process_time()
    raw = open_dataset(folder, raw=True)
    opening, work = time.perf_counter() - started, time.process_time() - spent
    pack = make_pack(raw, workers=available_workers())
    return {
        f"packing with {available_workers()} processes, patches/s": pack.count / pack.seconds,
        "opening with a look at every file, s": opening,
        "opening with a look at every file, processor time, s": work,
    }


def measure_pages(*folders: Path) -> list[Figures]:
    """Time openings and pages of all folders in turns."""
    found = [Figures() for _ in folders]
    opened, datasets = in_turns([lambda _, each=each: open_dataset(each) for each in folders], range(OPENINGS))
    packs = [find_pack(each) for each in datasets]
    both = list(zip(datasets, packs, strict=True))
    cold, _ = in_turns([lambda at, each=each: cold_picture(*each, at) for each in both], range(PAGES))
    for dataset, pack in both:  # by another map, so that the system holds the pixels and this process does not
        open_store(pack).load(np.concatenate([page_of(dataset, at) for at in range(PAGES)]))
    warm, _ = in_turns([lambda at, each=each: picture(each, page_of(each, at)) for each in datasets], range(PAGES))
    for position, figures in enumerate(found):
        figures |= {
            "opening, s": opened[position][0],
            "opening, processor time, s": opened[position][1],
            f"page of {PAGE} as one JPEG, warm, ms": 1e3 * warm[position][0],
            f"page of {PAGE} as one JPEG, warm, processor time, ms": 1e3 * warm[position][1],
            f"page of {PAGE} as one JPEG, cold, ms": 1e3 * cold[position][0],
            f"page of {PAGE} as one JPEG, cold, processor time, ms": 1e3 * cold[position][1],
        }
    return found


def measure_reading(*folders: Path) -> list[Figures]:
    """Time a batch of patches from the pack, as training asks for it, beside Pillow on one file a patch."""
    datasets, raws = [open_dataset(each) for each in folders], [open_dataset(each, raw=True) for each in folders]
    for dataset in datasets:
        dataset.store.load(np.arange(SMALL))  # as a training holds them: in memory
    random = np.random.default_rng(0)
    batches = [random.integers(0, SMALL, BATCH) for _ in range(BATCHES)]
    gather, _ = in_turns([lambda at, each=each: each.store.load(batches[at]) for each in datasets], range(BATCHES))
    files, _ = in_turns([lambda at, each=each: each.store.load(batches[at]) for each in raws], range(BATCHES))
    first = page_of(datasets[0], 0)
    png, _ = in_turns([lambda _, each=each: pngs(each, first) for each in datasets], range(3))
    return [
        {
            f"page of {PAGE} as PNGs, processor time, ms": 1e3 * png[position][1],
            "batched gather, patches/s of processor time": BATCH / gather[position][1],
            "Pillow per file, patches/s of processor time": BATCH / files[position][1],
            "gather / Pillow per file": files[position][1] / gather[position][1],
        }
        for position in range(len(folders))
    ]


def measure_memory(folder: Path) -> list[Figures]:
    """Measure what an open data set takes: of its own, and with the pages of the pack that are mapped in."""
    open_dataset(folder)  # what is imported on the way is no part of the data set
    process = psutil.Process()
    before = process.memory_full_info()
    dataset = open_dataset(folder)
    for at in range(PAGES):
        picture(dataset, page_of(dataset, at))
    dataset.stamp()
    after = process.memory_full_info()
    return [
        {
            "memory of its own, MB": max(0.0, (after.uss - before.uss) / 1e6),
            "memory with mapped file, MB": max(0.0, (after.rss - before.rss) / 1e6),
        }
    ]


def measure_script(folder: Path) -> list[Figures]:
    """Time the script of Browse: the first visit, and turning pages."""
    from streamlit.testing.v1 import AppTest

    entry = str(ROOT / "streamlit_app.py")
    AppTest.from_file(entry, default_timeout=600).run()  # the demo, so that everything is imported
    app = AppTest.from_file(entry, default_timeout=600)
    app.query_params["data"] = str(folder)
    before = psutil.Process().memory_full_info().uss
    spent = time.process_time()
    app.run()
    first, turns = time.process_time() - spent, []
    for page in range(2, 9):
        next(each for each in app.number_input if each.label == "Page").set_value(page)
        spent = time.process_time()
        app.run()
        turns.append(time.process_time() - spent)
    if app.exception or app.error or str(folder) != app.selectbox(key="data").value:
        raise SystemExit(f"Browse did not show {folder}: {[*app.exception, *app.error]}")
    return [
        {
            "Browse, first visit, processor time, s": first,
            "Browse, next page, processor time, ms": 1e3 * statistics.median(turns),
            "memory that the app takes for it, MB": (psutil.Process().memory_full_info().uss - before) / 1e6,
        }
    ]


MEASURED: dict[str, Callable[..., list[Figures]]] = {
    "pages": measure_pages,
    "reading": measure_reading,
    "memory": measure_memory,
    "script": measure_script,
}


def in_turns(works: list[Callable[[int], Any]], rounds: range) -> tuple[list[tuple[float, float]], list[Any]]:
    """Do each work once in each round; return the median seconds (clock, processor) of each, and its last result."""
    times: list[list[tuple[float, float]]] = [[] for _ in works]
    results: list[Any] = [work(rounds[0]) for work in works]  # to warm up
    for number in rounds:
        for position, work in enumerate(works):
            started, spent = time.perf_counter(), time.process_time()
            results[position] = work(number)
            times[position].append((time.perf_counter() - started, time.process_time() - spent))
    return [tuple(map(statistics.median, zip(*each, strict=True))) for each in times], results  # type: ignore[misc]


def page_of(dataset: Dataset, number: int) -> np.ndarray:
    """Return the rows of a page somewhere in the data set, the same for the same number."""
    return int(np.random.default_rng(number).integers(0, len(dataset) // PAGE)) * PAGE + np.arange(PAGE)


def picture(dataset: Dataset, rows: np.ndarray) -> bytes:
    """Return a page as Browse makes it."""
    pixels = dataset.store.load(rows).pixels
    return to_jpeg(mosaic(pixels, dataset.labels(rows).tolist(), columns=15))


def cold_picture(dataset: Dataset, pack: Pack, number: int) -> bytes:
    """Return a page whose pixels the system does not hold."""
    made = picture(replace(dataset, store=open_store(pack)), page_of(dataset, number))
    forget_pages(pack.path)
    return made


def forget_pages(path: Path) -> None:
    """Ask the system to drop what it holds of a file."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def pngs(dataset: Dataset, rows: np.ndarray) -> list[bytes]:
    """Return each patch of a page as a PNG."""
    return [to_png(patch) for patch in dataset.store.load(rows).pixels]


if __name__ == "__main__":
    main()
