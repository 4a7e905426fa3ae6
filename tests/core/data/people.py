"""Folders as people have them, as small as they can be."""

from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from core.data.readers.pcam import x_file, y_file

IDS = ("a1", "B2", "c3")


def image(path: Path, size: int = 96) -> None:
    """Write a grey picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size, size, 3), 90, np.uint8)).save(path)


def kaggle(folder: Path, ids: tuple[str, ...] = IDS, *, names: tuple[str, ...] = (), labels: str = "") -> Path:
    """Write files (named as the ids, or otherwise) and a table of their labels, 1 and 0 in turn."""
    for name in names or tuple(f"{patch_id}.tif" for patch_id in ids):
        image(folder / "train" / name)
    lines = "\n".join(f"{patch_id},{(number + 1) % 2}" for number, patch_id in enumerate(ids))
    (folder / "train_labels.csv").write_text(labels or f"id,label\n{lines}\n")
    return folder


def pcam(folder: Path, counts: dict[str, int]) -> Path:
    """Write PatchCamelyon's files with so many patches of each split."""
    folder.mkdir(exist_ok=True)
    for split, count in counts.items():
        with h5py.File(x_file(folder, split), "w") as file:
            file["x"] = np.full((count, 96, 96, 3), 90, np.uint8)
        with h5py.File(y_file(folder, split), "w") as file:
            file["y"] = (np.arange(count) % 2).astype(np.uint8)
    return folder
