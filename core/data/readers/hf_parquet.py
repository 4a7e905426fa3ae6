"""Hugging Face data sets as Parquet or Arrow files with the images in them, as downloaded or in a cache of theirs.

Sources: the feature ``Image`` is a struct of ``bytes`` and ``path``, and the names of a ``ClassLabel`` stand as JSON in
the metadata of the schema (huggingface/datasets 4, ``features.py``).
"""

import json
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.image_files import is_folder
from core.data.parquet_store import ParquetStore, image_column, opened
from core.data.readers.folders import unique_ids
from core.data.readers.names import SPLIT_OF
from core.data.readers.protocol import NO, SURE, Given, Listing, Watched
from core.data.readers.tables import known_columns, text_of
from core.errors import DataError, Problem

NAME = "Parquet with images"
EXAMPLE = "data/train-00000-of-00001.parquet, as published on Hugging Face"

DEEPEST, MOST = 5, 500
"""How many levels below a folder the files are looked for, and entries of a folder at most."""

_ON_THE_WAY = re.compile(
    r"data|default|main|parquet|plain_text|snapshots|train|valid|validation|test|[0-9a-f]{16,64}|\d+\.\d+\.\d+|"
    r"datasets--.*|.*___.*"
)
"""Folders that are looked into: those of a repository and of the caches, such as snapshots/HASH/data/."""


def recognises(path: Path, names: Collection[str]) -> int:  # noqa: ARG001 - the files lie further down
    """Whether it is such a file, or a folder that holds some."""
    return SURE if any(image_column(each) for each in _files(path)[:1]) else NO


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


def _rows(path: Path) -> pd.DataFrame:
    """Return what a file says of its rows, without the images."""
    file, image = opened(path), image_column(path)
    schema = file.schema_arrow if hasattr(file, "schema_arrow") else file.schema
    plain = [each.name for each in schema if not pa.types.is_nested(each.type) and each.name != image]
    kind = schema.field(image).type
    has_path = pa.types.is_struct(kind) and kind.get_field_index("path") >= 0
    if isinstance(file, pq.ParquetFile):
        rows = file.read(columns=[*plain, *([f"{image}.path"] if has_path else [])])
    else:
        rows = file.select([*plain, *([image] if has_path else [])])
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
