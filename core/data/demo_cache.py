"""The demo set on disk: generated once, then opened as a memory map."""

import json
import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock

from core.data.dataset import Dataset, make_table
from core.data.demo import generate_demo
from core.data.store import ArrayStore
from core.errors import StorageError
from core.progress import Progress, no_progress
from core.storage import atomic, portable
from core.storage.home import home, make_folder

DEMO_VERSION = 1
"""Raise it when the generator changes, so that no cache holds patches of an older one."""


@dataclass(frozen=True)
class DemoSize:
    """What the demo set is generated from; the same values always give the same patches."""

    seed: int = 0
    slides: int = 40
    patches_per_slide: int = 60


def open_demo(*, size: DemoSize = DemoSize(), progress: Progress = no_progress) -> Dataset:
    """Return the synthetic demo set, generating it first if it is not in the cache.

    Of two processes that need it at the same time, one waits for the other; a process that is killed half-way leaves
    nothing behind that could be taken for the whole.

    Raises:
        StorageError: the cache folder cannot be written.
    """
    folder = home() / "demo" / f"v{DEMO_VERSION}-seed{size.seed}-{size.slides}x{size.patches_per_slide}"
    if not folder.is_dir():
        try:
            make_folder(folder.parent)
            with FileLock(folder.with_suffix(".lock")):
                if not folder.is_dir():
                    _generate(folder, size, progress)
        except OSError as error:
            raise StorageError(
                f"The demo set could not be written to {folder.parent}: {error.strerror or error}. "
                "Free some space there or set NODESCOPE_HOME to another folder."
            ) from error
    return _open(folder)


def _generate(folder: Path, size: DemoSize, progress: Progress) -> None:
    demo = generate_demo(**asdict(size), progress=progress)
    # Written aside and renamed as a whole, so that a folder of this name is always complete.
    temporary = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    temporary.mkdir()
    try:
        for name, array in (("patches", demo.patches), ("masks", demo.masks)):
            with atomic.replacing(temporary / f"{name}.npy") as path, path.open("wb") as file:
                np.save(file, array)
        atomic.write_text(temporary / "table.csv", demo.table.to_csv(index=False, lineterminator="\n"))
        atomic.write_text(temporary / "size.json", json.dumps(asdict(size)))
        portable.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _open(folder: Path) -> Dataset:
    rows = pd.read_csv(folder / "table.csv", dtype={"id": str, "slide": str, "split": str})
    table = make_table(rows["id"], labels=rows["label"], split=rows["split"], slides=rows["slide"])
    store = ArrayStore(np.load(folder / "patches.npy", mmap_mode="r"))
    masks = np.load(folder / "masks.npy", mmap_mode="r")
    return Dataset("Synthetic demo", "demo", "demo", table, store, masks=masks, files=f"demo {DEMO_VERSION}")
