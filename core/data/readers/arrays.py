"""Arrays of NumPy: x.npy and y.npy, x_train.npy and y_train.npy, or one .npz with such names; pictures of any size."""

import re
import zipfile
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from core.data.picture_store import PixelStore
from core.data.readers.names import SPLIT_OF
from core.data.readers.protocol import NO, SURE, Given, Listing, Watched
from core.data.store import JoinedStore
from core.errors import DataError, Problem

NAME = "NumPy arrays"
EXAMPLE = "x_train.npy and y_train.npy, or one .npz"

PICTURES = frozenset(("x", "images", "image", "imgs", "data", "patches", "pictures"))
LABELS = frozenset(("y", "labels", "label", "targets", "target"))
DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)

Load = Callable[[], np.ndarray]


def recognises(path: Path, names: Collection[str]) -> int:
    """Whether it is such a file, or a folder of them."""
    if path.is_file() and path.suffix.lower() not in (".npz", ".npy"):
        return NO
    if not path.is_file() and not any(name.lower().endswith((".npz", ".npy")) for name in names):
        return NO
    return SURE if _pairs(_loaders(path)) else NO


def watched(given: Given) -> Watched:
    """Return the files."""
    return Watched(tuple(each.name for each in _files(given.path)))


def read(given: Given) -> Listing:
    """List the pictures of all pairs; the id is split and row, such as ``train-000041``.

    Raises:
        DataError: no pair can be used.
    """
    loaders, stores, tables, problems = _loaders(given.path), list[PixelStore](), list[pd.DataFrame](), list[Problem]()
    for pictures, labels in _pairs(loaders):
        try:
            store = PixelStore(loaders[pictures], pictures)
            tables.append(_table(store, loaders[labels]() if labels else None, _split(pictures)))
            stores.append(store)
        except DAMAGE as error:
            problems.append(Problem(pictures, f"excluded: {error}", "of an array that cannot be used", None))
    if not tables:
        raise DataError(f"{given.path.name} holds no pictures that can be used: {problems[0]}.")
    table = pd.concat(tables, ignore_index=True)
    table["id"] = table["split"] + "-" + table.groupby("split").cumcount().astype("str").str.zfill(6)
    return Listing(table, JoinedStore(stores), tuple(problems))


def _table(store: PixelStore, labels: np.ndarray | None, split: str) -> pd.DataFrame:
    """Return split and class of each picture. Raises ValueError if the labels do not fit."""
    table = pd.DataFrame({"split": [split] * len(store)})
    if labels is None:
        return table
    values = np.asarray(labels)
    if values.ndim > 1 and values[:1].size > 1:  # one column for each class
        values = values.reshape(len(values), -1).argmax(1)
    values = values.reshape(-1)
    if len(values) != len(store):
        raise ValueError(f"it has {len(store)} pictures, and there are {len(values)} labels")
    whole = values.dtype.kind == "f" and bool(np.all(values == np.rint(values)))
    return table.assign(**{"class": (values.astype(np.int64) if whole else values).astype(str)})


def _files(path: Path) -> list[Path]:
    if path.is_file() and path.suffix.lower() == ".npz":
        return [path]
    folder = path.parent if path.is_file() else path
    return sorted(each for each in folder.iterdir() if each.suffix.lower() in (".npy", ".npz"))


def _loaders(path: Path) -> dict[str, Load]:
    """Return what loads each array, by its name: the file's, or that in an .npz."""
    found: dict[str, Load] = {}
    for each in _files(path):
        if each.suffix.lower() == ".npy":
            found[each.stem] = partial(np.load, each, mmap_mode="r", allow_pickle=False)
        else:
            split = f"{each.stem}_" if _split(each.stem) != "train" else ""  # train.npz, valid.npz, test.npz
            try:
                with zipfile.ZipFile(each) as members:
                    names = [name.removesuffix(".npy") for name in members.namelist()]
            except DAMAGE:
                continue
            found |= {f"{split}{name}": partial(_member, each, name) for name in names}
    return found


def _member(path: Path, name: str) -> np.ndarray:
    """Return an array of an .npz: a memory map where it is not compressed, else all of it in memory."""
    with zipfile.ZipFile(path) as members:
        info = members.getinfo(f"{name}.npy")
        if info.compress_type == zipfile.ZIP_STORED:
            with path.open("rb") as file:
                file.seek(info.header_offset + 26)
                lengths = np.frombuffer(file.read(4), "<u2")  # of the name and of what follows it (APPNOTE, 4.3.7)
                file.seek(info.header_offset + 30 + int(lengths.sum()))
                version = np.lib.format.read_magic(file)
                header = (
                    np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                )
                shape, fortran, dtype = header(file)
                if not dtype.hasobject:
                    return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")
    with np.load(path, allow_pickle=False) as arrays:
        array: np.ndarray = arrays[name]
        return array


def _pairs(loaders: Collection[str]) -> list[tuple[str, str | None]]:
    """Return the names of pictures, each with that of its labels: those that differ in this word only."""
    by_rest = {_rest(name, LABELS): name for name in loaders if _rest(name, LABELS) is not None}
    return [(name, by_rest.get(rest)) for name in loaders if (rest := _rest(name, PICTURES)) is not None]


def _rest(name: str, words: frozenset[str]) -> tuple[str, ...] | None:
    """Return the words of a name without the one that is among `words`, or None where none is."""
    parts = _words(name)
    return tuple(each for each in parts if each not in words) if words & set(parts) else None


def _words(name: str) -> list[str]:
    return [each for each in re.split(r"[^a-z0-9]+", name.lower()) if each]


def _split(name: str) -> str:
    return next((SPLIT_OF[word] for word in _words(name) if word in SPLIT_OF), "train")
