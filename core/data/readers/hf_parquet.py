"""Hugging Face data sets as Parquet or Arrow files with the images in them, as downloaded or in a cache of theirs.

Sources: the feature ``Image`` is a struct of ``bytes`` and ``path``, and the names of a ``ClassLabel`` stand as JSON in
the metadata of the schema (huggingface/datasets 4, ``features.py``).
"""

import json
import os
import re
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.image_files import is_folder
from core.data.picture_store import EncodedStore
from core.data.readers.folders import unique_ids
from core.data.readers.names import SPLIT_OF
from core.data.readers.protocol import NO, SURE, Given, Listing, Watched
from core.data.readers.tables import known_columns, text_of
from core.errors import DataError, PatchError, Problem

NAME = "Parquet with images"
EXAMPLE = "data/train-00000-of-00001.parquet, as published on Hugging Face"

DEEPEST, MOST = 5, 500
"""How many levels below a folder the files are looked for, and entries of a folder at most."""

_ON_THE_WAY = re.compile(
    r"data|default|main|parquet|plain_text|snapshots|train|valid|validation|test|[0-9a-f]{16,64}|\d+\.\d+\.\d+|"
    r"datasets--.*|.*___.*"
)
"""Folders that are looked into: those of a repository and of the caches, such as snapshots/HASH/data/."""

KEPT = 3
"""Groups of rows that are kept in memory: a page of neighbours lies in one or two."""


def recognises(path: Path, names: Collection[str]) -> int:  # noqa: ARG001 - the files lie further down
    """Whether it is such a file, or a folder that holds some."""
    return SURE if any(_image_column(each) for each in _files(path)[:1]) else NO


def watched(given: Given) -> Watched:
    """Return the files."""
    return Watched(tuple(str(path.relative_to(given.folder)) for path in _files(given.path)))


def read(given: Given) -> Listing:
    """List the rows of all files; a file that cannot be read is left out.

    The id is the name of the image, where the files tell it, else split and row.

    Raises:
        DataError: no file can be read.
    """
    tables, problems, used = list[pd.DataFrame](), list[Problem](), list[Path]()
    for path in _files(given.path):
        try:
            tables.append(_rows(path))
            used.append(path)
        except (pa.ArrowException, OSError, KeyError) as error:
            reason = f"excluded: it is no readable Parquet file with images ({error}). Download it again"
            problems.append(Problem(path.name, reason, "of a file that cannot be read", None))
    if not tables:
        raise DataError(f"{problems[0]}." if problems else f"{given.path} holds no image.")
    table = pd.concat(tables, ignore_index=True)
    row = table.groupby("split").cumcount().astype("str").str.zfill(6)
    named = table["id"].notna().all() and not table.duplicated(["id", "split"]).any()
    table["id"] = unique_ids(table["id"], table["split"]) if named else table["split"] + "-" + row
    return Listing(table, ParquetStore(used), tuple(problems))


def _files(path: Path, deepest: int = DEEPEST) -> list[Path]:
    """Return the Parquet and Arrow files, those of a folder before those below it."""
    if path.is_file():
        return [path] if path.suffix.lower() in (".parquet", ".arrow") else []
    try:
        with os.scandir(path) as scanned:
            entries = sorted((each for each, _ in zip(scanned, range(MOST), strict=False)), key=lambda each: each.name)
    except OSError:
        return []
    own = [
        Path(each.path)
        for each in entries
        if each.name.lower().endswith((".parquet", ".arrow")) and not is_folder(each)
    ]
    below = [each for each in entries if deepest and _ON_THE_WAY.fullmatch(each.name) and is_folder(each)]
    return own or [file for each in below for file in _files(Path(each.path), deepest - 1)]


def _opened(path: Path) -> Any:
    """Return a Parquet file, or an Arrow file as a table of the memory map. Raises OSError or ArrowException."""
    if path.suffix.lower() == ".parquet":
        return pq.ParquetFile(path)
    source = pa.memory_map(str(path))
    try:
        return pa.ipc.open_stream(source).read_all()
    except pa.ArrowInvalid:  # the other of Arrow's two kinds of files
        return pa.ipc.open_file(source).read_all()


def _image_column(path: Path) -> str:
    """Return the column that holds images, or "" where there is none."""
    try:
        opened = _opened(path)
    except (OSError, pa.ArrowException):
        return ""
    schema = opened.schema_arrow if hasattr(opened, "schema_arrow") else opened.schema
    structs = [
        each.name for each in schema if pa.types.is_struct(each.type) and each.type.get_field_index("bytes") >= 0
    ]
    plain = [each.name for each in schema if pa.types.is_binary(each.type) or pa.types.is_large_binary(each.type)]
    return str((structs or plain or [""])[0])


def _has(kind: Any, field: str) -> bool:
    return bool(pa.types.is_struct(kind) and kind.get_field_index(field) >= 0)


def _rows(path: Path) -> pd.DataFrame:
    """Return what a file says of its rows, without the images."""
    opened, image = _opened(path), _image_column(path)
    schema = opened.schema_arrow if hasattr(opened, "schema_arrow") else opened.schema
    plain = [each.name for each in schema if not pa.types.is_nested(each.type) and each.name != image]
    has_path = _has(schema.field(image).type, "path")
    if isinstance(opened, pq.ParquetFile):
        rows = opened.read(columns=[*plain, *([f"{image}.path"] if has_path else [])])
    else:
        rows = opened.select([*plain, *([image] if has_path else [])])
    table = rows.select(plain).to_pandas()
    for name, names in _class_names(schema).items():
        if name in table:
            table[name] = table[name].map(lambda value, names=names: names[value] if 0 <= value < len(names) else None)
    paths = rows.column(image).combine_chunks().field("path").to_pylist() if has_path else [None] * len(rows)
    found = text_of(table, known_columns(table.columns)).reindex(range(len(rows)))
    found["id"] = [os.path.splitext(os.path.basename(each))[0] if each else None for each in paths]
    words = [*re.split(r"[^a-z]+", path.stem.lower()), path.parent.name.lower()]
    if "split" not in found:
        found["split"] = next((SPLIT_OF[word] for word in words if word in SPLIT_OF), "train")
    return found.drop(columns="path", errors="ignore")


def _class_names(schema: Any) -> dict[str, list[str]]:
    """Return the names of the classes by column, as `datasets` stores them."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: list(each["names"]) for name, each in features.items() if "names" in each}
    except (KeyError, ValueError, TypeError):
        return {}


class ParquetStore(EncodedStore):
    """Images in Parquet or Arrow files; a few groups of rows are kept, so that neighbours are read once."""

    def __init__(self, paths: Sequence[Path]):
        self.paths = list(paths)
        groups = [
            (number, group, rows) for number, path in enumerate(self.paths) for group, rows in enumerate(_sizes(path))
        ]
        self._groups = [(number, group) for number, group, _ in groups]
        self._starts = np.concatenate([[0], np.cumsum([rows for _, _, rows in groups])]).astype(np.int64)
        self._forget()

    def _forget(self) -> None:
        self._open: dict[int, tuple[Any, str]] = {}
        self._kept: dict[int, Any] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_open", "_kept", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def contents(self, rows: Sequence[int] | np.ndarray) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield name and reader of each row's image; each group of rows is read once, whatever the order."""
        wanted = np.asarray(rows, np.int64)
        owners = np.searchsorted(self._starts, wanted, side="right") - 1
        found: dict[int, bytes | PatchError] = {}
        for owner in np.unique(owners):
            positions = np.flatnonzero(owners == owner)
            number, _ = self._groups[owner]
            try:
                with self._lock:
                    images = self._group(int(owner))
                    for at in positions:
                        found[int(at)] = images[int(wanted[at] - self._starts[owner])].as_py() or b""
            except (OSError, pa.ArrowException) as error:
                name = self.paths[number].name
                found |= {int(at): PatchError(f"{name}: Its rows here are damaged ({error}).") for at in positions}
        for position, row in enumerate(wanted):
            number = self._groups[owners[position]][0]
            yield f"{self.paths[number].name}[{row}]", partial(_given, found.pop(position))

    def _group(self, owner: int) -> Any:
        """Return the images of a group of rows as an array of bytes."""
        if owner not in self._kept:
            number, group = self._groups[owner]
            if number not in self._open:
                self._open[number] = (_opened(self.paths[number]), _image_column(self.paths[number]))
            opened, image = self._open[number]
            if isinstance(opened, pq.ParquetFile):
                column = opened.read_row_group(group, columns=[f"{image}.bytes"], use_threads=False).column(0)
                if not len(column):
                    column = opened.read_row_group(group, columns=[image]).column(0)
                column = column.combine_chunks()
            else:
                column = opened.column(image).chunk(group)
            while len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[owner] = column.field("bytes") if pa.types.is_struct(column.type) else column
        return self._kept[owner]


def _given(content: bytes | PatchError) -> bytes:
    if isinstance(content, PatchError):
        raise content
    return content


def _sizes(path: Path) -> list[int]:
    """Return the number of rows of each group of a Parquet file, or of each chunk of an Arrow file."""
    opened = _opened(path)
    if isinstance(opened, pq.ParquetFile):
        return [opened.metadata.row_group(at).num_rows for at in range(opened.num_row_groups)]
    return [len(chunk) for chunk in opened.column(_image_column(path)).chunks]
