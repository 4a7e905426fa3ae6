"""A data set as others read it: class folders, Kaggle's layout or Parquet, with a card that says where it came from."""

import hashlib
import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from core import __version__
from core.data import CLASS_NAMES, SPLITS, Dataset
from core.data.dataset import GROUPS
from core.data.store import batches
from core.display.pictures import to_png
from core.errors import DataError, StorageError
from core.formatting import NOT_A_DEVICE
from core.progress import Progress, no_progress
from core.storage import portable
from core.storage.roots import require_allowed
from core.storage.spreadsheet import table_csv

Layout = Literal["folders", "kaggle", "parquet"]
LAYOUTS: dict[Layout, str] = {
    "folders": "class folders: tumour/ID.png and normal/ID.png, within train, valid and test where it is divided",
    "kaggle": "Kaggle's layout: train/ID.tif with train_labels.csv, and test/ID.tif for patches without a label",
    "parquet": "Parquet: pictures and labels, a file for each split, as Hugging Face reads them",
}
SUBSETS = ("all", "labelled", "unlabelled", "train", "validation", "test")
"""What may be exported of a data set."""

UNLABELLED = "unlabelled"
CARD = "README.md"

Save = Callable[[pd.DataFrame, npt.NDArray[np.uint8]], None]
"""Stores some patches: their rows of the table, and uint8 (n, 96, 96, 3)."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the folder.
        table: a row for each patch: id, label, split (empty where it is not divided), and groups.
        unreadable: how many more there would be, had they been readable.
        sha256: over the sorted lines ``id,label,split,SHA-256 of the pixels``; a missing label is empty.
    """

    path: Path
    table: pd.DataFrame
    unreadable: int
    sha256: str


def export_data_set(
    dataset: Dataset,
    rows: npt.NDArray[np.int64],
    folder: Path,
    *,
    layout: Layout = "folders",
    splits: npt.NDArray[np.str_] | None = None,
    division: str = "",
    progress: Progress = no_progress,
) -> Exported:
    """Write patches, their labels and groups, and a card; the folder is there as a whole or not at all.

    Args:
        dataset: holds the patches.
        rows: which of them.
        folder: is made; it may be there if it is empty.
        layout: one of :data:`LAYOUTS`.
        splits: of each row of the data set, as :func:`core.data.assign` returns them; None does not divide.
        division: the rule in words, for the card.
        progress: receives the finished share; what it raises ends the work, and nothing is left.

    Raises:
        DataError: there is nothing to export, none of it can be read, or two ids would be one file.
        StorageError: the folder holds something already, or cannot be written.
    """
    table = _table(dataset, rows, splits)
    readable, lines = np.ones(len(rows), bool), list[str]()
    with made_folder(folder) as place:
        with _WRITERS[layout](place) as save:
            start = 0
            for chosen, loaded in batches(dataset.store, rows, progress=progress):
                readable[start : start + len(chosen)] = loaded.readable
                here, pixels = table.iloc[start : start + len(chosen)][loaded.readable], loaded.pixels[loaded.readable]
                save(here, pixels)
                lines += [_line(row, patch) for row, patch in zip(here.itertuples(), pixels, strict=True)]
                start += len(chosen)
        if not lines:
            raise DataError(f"None of the {len(rows):,} patches can be read, so there is nothing to export.")
        digest = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
        found = Exported(folder, table[readable], int((~readable).sum()), digest)
        (place / CARD).write_text(card(dataset, found, layout=layout, division=division), "utf-8", newline="\n")
    return found


def zipped(dataset: Dataset, rows: npt.NDArray[np.int64], *, layout: Layout) -> bytes:
    """Return what :func:`export_data_set` writes of some patches as a zip. Raises as it does."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "data"
        export_data_set(dataset, rows, place, layout=layout)
        return Path(shutil.make_archive(str(place), "zip", place)).read_bytes()


def card(dataset: Dataset, found: Exported, *, layout: Layout, division: str = "") -> str:
    """Return the card of an exported data set as Markdown: source, counts, groups and hash."""
    table, groups = found.table, _groups(found.table)
    whole = "no split" if table["split"].any() else "all"
    counts = []
    for split in ("", *SPLITS):
        here = table[table["split"] == split]
        label = here["label"]
        of_class = [int((label == 0).sum()), int((label == 1).sum()), int(label.isna().sum())]
        numbers = [len(here), *of_class, *(here[group].nunique() for group in groups)]
        if len(here):
            counts.append(f"| {' | '.join([split or whole, *(f'{number:,}' for number in numbers)])} |")
    heads = ["split", "patches", *CLASS_NAMES, UNLABELLED, *(f"{group}s" for group in groups)]
    decided = dataset.decided
    lines = [
        f"# {dataset.name}",
        "",
        f"{len(table):,} patches of 96×96 pixels at about 0.97 µm per pixel, stained with haematoxylin and eosin. The "
        "label says whether there is tumour in the centre 32×32 pixels: 0 is normal, 1 is tumour.",
        "",
        f"- Source: {dataset.name} ({dataset.kind}), fingerprint {dataset.fingerprint()}",
        f"- Layout: {LAYOUTS[layout]}",
        f"- Split: {division or 'not divided'}",
        f"- Written: {datetime.now(UTC):%Y-%m-%d} by Nodescope {__version__}",
        f"- SHA-256: {found.sha256}, over the sorted lines `id,label,split,SHA-256 of the pixels`",
    ]
    if decided is not None:
        lines.append(f"- Decisions of people: {decided.excluded:,} excluded, {decided.relabelled:,} labels given")
    if found.unreadable:
        lines.append(f"- Left out: {found.unreadable:,} patches that cannot be read")
    if not groups:
        lines.append("- Slides, patients and centres are not known: patches of one slide may lie in several splits")
    rule = "|".join(["", " --- ", *([" ---: "] * (len(heads) - 1)), ""])
    lines += ["", f"| {' | '.join(heads)} |", rule, *counts, "", NOT_A_DEVICE, ""]
    return "\n".join(lines)


def _table(dataset: Dataset, rows: npt.NDArray[np.int64], splits: npt.NDArray[np.str_] | None) -> pd.DataFrame:
    if not len(rows):
        raise DataError("There is no patch to export. Choose other ones.")
    table = dataset.table.iloc[rows].reset_index(drop=True)
    # An id with a path in it would lie in another folder, and Windows and macOS tell no capitals from small letters.
    names = table["id"].map(portable.file_name)
    twice = names.str.casefold().duplicated()
    if twice.any():
        raise DataError(f"Two ids would be one file: {names[twice].iloc[0]}. Rename one of them in the data set.")
    return table.assign(split="" if splits is None else splits[rows], file=names)


def _line(row: Any, patch: npt.NDArray[np.uint8]) -> str:
    return (
        f"{row.id},{'' if pd.isna(row.label) else row.label},{row.split},{hashlib.sha256(patch.tobytes()).hexdigest()}"
    )


def _groups(table: pd.DataFrame) -> list[str]:
    return [group for group in GROUPS if table[group].notna().any()]


@contextmanager
def made_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder beside `folder`, which takes its place at the end; after an exception nothing is left."""
    require_allowed(folder)
    if file := next((each for each in (folder, *folder.parents) if each.exists() and not each.is_dir()), None):
        raise StorageError(f"{file} is a file, and a folder is needed there. Choose another folder.")
    if folder.exists() and any(folder.iterdir()):
        raise StorageError(f"{folder} is there already and is not empty. Choose another folder, or empty it.")
    place = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        place.mkdir(parents=True)
        yield place
        if folder.exists():
            folder.rmdir()
        portable.replace(place, folder)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror or error}. Free some space.") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _folders(place: Path) -> Iterator[Save]:
    tables: list[pd.DataFrame] = []

    def save(table: pd.DataFrame, pixels: npt.NDArray[np.uint8]) -> None:
        classes = table["label"].map(dict(enumerate(CLASS_NAMES))).astype("object").fillna(UNLABELLED)
        paths = [f"{split}/{name}" if split else name for split, name in zip(table["split"], classes, strict=True)]
        for path, name, patch in zip(paths, table["file"], pixels, strict=True):
            (place / path).mkdir(parents=True, exist_ok=True)
            (place / path / f"{name}.png").write_bytes(to_png(patch))
        tables.append(
            table.assign(path=[f"{path}/{name}.png" for path, name in zip(paths, table["file"], strict=True)])
        )

    yield save
    if tables:
        whole = pd.concat(tables, ignore_index=True)
        groups = _groups(whole)
        columns = ["path", "label", *(["split"] if whole["split"].any() else []), *groups]
        (place / "patches.csv").write_text(table_csv(whole[columns], names=("path", *groups)), "utf-8", newline="\n")


@contextmanager
def _kaggle(place: Path) -> Iterator[Save]:
    tables: list[pd.DataFrame] = []

    def save(table: pd.DataFrame, pixels: npt.NDArray[np.uint8]) -> None:
        for name, label, patch in zip(table["file"], table["label"], pixels, strict=True):
            folder = place / ("test" if pd.isna(label) else "train")
            folder.mkdir(exist_ok=True)
            Image.fromarray(patch).save(folder / f"{name}.tif")
        tables.append(table)

    (place / "train").mkdir()
    yield save
    if tables:
        labelled = pd.concat(tables, ignore_index=True).dropna(subset="label").assign(id=lambda each: each["file"])
        columns = ["id", "label", *(["split"] if labelled["split"].any() else [])]
        (place / "train_labels.csv").write_text(table_csv(labelled[columns]), "utf-8", newline="\n")
        if labelled["slide"].notna().any():
            slides = labelled[["id", "slide"]].rename(columns={"slide": "wsi"}).dropna()
            (place / "patch_id_wsi_full.csv").write_text(table_csv(slides, names=("id", "wsi")), "utf-8", newline="\n")


@contextmanager
def _parquet(place: Path) -> Iterator[Save]:
    import pyarrow as pa  # only here: it is large, and the other layouts need none of it
    import pyarrow.parquet as pq

    features = {"image": {"_type": "Image"}, "label": {"names": list(CLASS_NAMES), "_type": "ClassLabel"}}
    texts = ("id", "split", *GROUPS)
    fields = [
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("label", pa.int64()),
        *((name, pa.string()) for name in texts),
    ]
    about = {"features": {**features, **{name: {"dtype": "string", "_type": "Value"} for name in texts}}}
    schema = pa.schema(fields, metadata={"huggingface": json.dumps({"info": about})})
    writers: dict[str, Any] = {}

    def save(table: pd.DataFrame, pixels: npt.NDArray[np.uint8]) -> None:
        pictures = np.array([to_png(patch) for patch in pixels] + [None], object)[:-1]
        for split in table["split"].unique():
            here = (table["split"] == split).to_numpy()
            some = table[here]
            names = [f"{name}.png" for name in some["file"]]
            columns = {name: some[name].astype("object").where(some[name].notna(), None).tolist() for name in texts}
            images = [{"bytes": data, "path": name} for data, name in zip(pictures[here], names, strict=True)]
            labels = [None if pd.isna(label) else int(label) for label in some["label"]]
            if split not in writers:
                name = f"{split or 'data'}-00000-of-00001.parquet"
                writers[split] = pq.ParquetWriter(place / "data" / name, schema)
            writers[split].write_table(pa.table({"image": images, "label": labels, **columns}, schema=schema))

    (place / "data").mkdir()
    try:
        yield save
    finally:
        for writer in writers.values():
            writer.close()


_WRITERS = {"folders": _folders, "kaggle": _kaggle, "parquet": _parquet}
