"""What the layouts cost beside Kaggle's: recognising, opening, opening by a glance once packed, and a page unpacked.

Run: ``python benchmarks/layouts.py [--patches 220025] [--entries 1000000] [--only "class folders" ...]``. The folders
are hard links to 2,000 patches of the demo, and the Parquet files hold them again and again, so that all layouts have
the same pictures. Seconds of processor time (user and system) and by the clock, the median of three; MB that a process
holds more once the packed data set is open. The last line is a class folder of so many entries, recognised only.
"""

import argparse
import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.data import open_dataset, open_demo, pack_folder
from core.data.layouts import place_of
from core.data.pack_table import load_table, save_table

PICTURES, PAGE, ROUNDS = 2_000, 90, 3


def main() -> None:
    """Print a row for each layout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=220_025)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", choices=list(MADE), default=list(MADE))
    parser.add_argument("--held", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.held is not None:
        print_held(given.held)
        return
    pixels = open_demo().store.load(np.arange(PICTURES)).pixels
    place = Path(tempfile.mkdtemp(dir=".")).resolve()
    os.environ["NODESCOPE_HOME"] = str(place / "home")
    try:
        print("| layout | recognise, s | open, s | once packed, s | page, s | shuffled page, s | packed, MB |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for name in given.only:
            folder = place / name.replace(" ", "-")
            MADE[name](folder, given.patches, pixels)
            print(f"| {name} | {' | '.join(measured(folder))} |", flush=True)
            shutil.rmtree(folder)
        if given.entries:
            classes(place / "large", given.entries, pixels)
            print(f"recognising {given.entries:,} entries: {median(lambda: place_of(place / 'large'))}")
    finally:
        shutil.rmtree(place)


def measured(folder: Path) -> list[str]:
    """Return the figures of a layout."""
    raw = open_dataset(folder, raw=True)
    beside = pack_folder(raw.source)
    beside.mkdir(parents=True)
    save_table(beside, raw, "key")
    random = np.random.default_rng(0)
    order = [np.arange(at, at + PAGE) for at in (0, len(raw) // 2, len(raw) - PAGE)]
    shuffled = [random.integers(0, len(raw), PAGE) for _ in range(ROUNDS)]
    return [
        median(lambda: place_of(folder)),
        median(lambda: open_dataset(folder, raw=True)),
        median(partial(glance, folder, beside)),
        *(median(*(partial(raw.store.load, rows) for rows in pages)) for pages in (order, shuffled)),
        held(folder.resolve()),
    ]


def glance(folder: Path, beside: Path) -> object:
    """Do what opening a packed data set does, but for the map of its pixels."""
    return load_table(beside, place_of(folder).quick_stamp())


def median(*works: Callable[[], object]) -> str:
    """Return the median seconds of a few rounds, of the processor and by the clock."""
    taken = [seconds(work) for work in (works if len(works) > 1 else works * ROUNDS)]
    return " / ".join(f"{statistics.median(each):.2f}" for each in zip(*taken, strict=True))


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return how long something takes, of the processor and by the clock."""
    started = time.process_time(), time.monotonic()
    work()
    return time.process_time() - started[0], time.monotonic() - started[1]


def held(folder: Path) -> str:
    """Return how many MB a process of its own holds more once the packed data set is open."""
    command = [sys.executable, __file__, "--held", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def print_held(folder: Path) -> None:
    """Print what :func:`held` returns: what this process does."""
    process = psutil.Process()
    before = process.memory_info().rss
    kept = glance(folder, pack_folder(str(folder)))
    print(f"{(process.memory_info().rss - before) / 2**20:.0f}" if kept is not None else "nothing")


def linked(folder: Path, names: list[str], pixels: np.ndarray) -> None:
    """Write files of these names: the first ones as pictures, the others as links to them."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < len(pixels):
            Image.fromarray(pixels[number]).save(path)
        else:
            os.link(folder / names[number % len(pixels)], path)


def kaggle(folder: Path, count: int, pixels: np.ndarray) -> None:
    """Make Kaggle's folder."""
    linked(folder, [f"train/{number:040x}.tif" for number in range(count)], pixels)
    lines = [f"{number:040x},{number % 2}" for number in range(count)]
    (folder / "train_labels.csv").write_text("\n".join(["id,label", *lines]))


def classes(folder: Path, count: int, pixels: np.ndarray) -> None:
    """Make class folders with splits above them."""
    splits = ("train", "valid", "test")
    linked(folder, [f"{splits[n % 3]}/{('normal', 'tumour')[n % 2]}/{n:06d}.png" for n in range(count)], pixels)


def table(folder: Path, count: int, pixels: np.ndarray) -> None:
    """Make a table of files in 50 folders."""
    names = [f"slides/s{number % 50}/{number:06d}.png" for number in range(count)]
    linked(folder, names, pixels)
    lines = [f"{name},{number % 2},s{number % 50}" for number, name in enumerate(names)]
    (folder / "labels.csv").write_text("\n".join(["path,label,slide", *lines]))


def wilds(folder: Path, count: int, pixels: np.ndarray) -> None:
    """Make WILDS' folder: 50 slides of 5 hospitals."""
    rows, names = [",patient,node,x_coord,y_coord,tumor,slide,center,split"], []
    for number in range(count):
        patient, node = number % 50, number % 50 // 10
        slide = f"patient_{patient:03d}_node_{node}"
        names.append(f"patches/{slide}/patch_{slide}_x_{number}_y_0.png")
        rows.append(f"{number},{patient},{node},{number},0,{number % 2},{patient},{node},0")
    linked(folder, names, pixels)
    (folder / "metadata.csv").write_text("\n".join(rows))


def parquet(folder: Path, count: int, pixels: np.ndarray) -> None:
    """Make Parquet files with the images, groups of 1,000 rows, as published."""
    folder.mkdir(parents=True)
    images = []
    for each in pixels:
        file = io.BytesIO()
        Image.fromarray(each).save(file, "PNG")
        images.append({"bytes": file.getvalue(), "path": None})
    for part, start in enumerate(range(0, count, 40_000)):
        rows = range(start, min(start + 40_000, count))
        with pq.ParquetWriter(folder / f"train-{part:05d}.parquet", _SCHEMA) as writer:
            for at in range(rows.start, rows.stop, 1_000):
                chunk = range(at, min(at + 1_000, rows.stop))
                values = {"image": [images[n % len(images)] for n in chunk], "label": [n % 2 == 1 for n in chunk]}
                writer.write_table(pa.table(values, schema=_SCHEMA))


_SCHEMA = pa.schema({"image": pa.struct({"bytes": pa.binary(), "path": pa.string()}), "label": pa.bool_()})
MADE = {
    "Kaggle": kaggle, "class folders": classes, "table of files": table, "WILDS camelyon17": wilds,
    "Parquet with images": parquet,
}  # fmt: skip


if __name__ == "__main__":
    main()
