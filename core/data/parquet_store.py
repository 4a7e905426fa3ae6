"""Images in Parquet and Arrow files, decoded as they are needed."""

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.picture_store import EncodedStore
from core.errors import PatchError

KEPT = 3
"""Groups of rows that are kept in memory: a page of neighbours lies in one or two."""

FEW, AT_ONCE = 8, 8
"""Rows up to which they are taken out of a group that is not kept, as for a shuffled page, and rows decoded at once: of
1 to 128, 8 to 32 took least time."""


def opened(path: Path) -> Any:
    """Return a Parquet file, or an Arrow file as a table of the memory map. Raises OSError or ArrowException."""
    if path.suffix.lower() == ".parquet":
        # What is not wanted stays on the disk; a buffer made before would hold a whole group of rows.
        return pq.ParquetFile(path, memory_map=True, pre_buffer=False)
    source = pa.memory_map(str(path))
    try:
        return pa.ipc.open_stream(source).read_all()
    except pa.ArrowInvalid:  # the other of Arrow's two kinds of files
        return pa.ipc.open_file(source).read_all()


def image_column(path: Path) -> str:
    """Return the column that holds images, or "" where there is none."""
    try:
        file = opened(path)
    except (OSError, pa.ArrowException):
        return ""
    schema = file.schema_arrow if hasattr(file, "schema_arrow") else file.schema
    structs = [
        each.name for each in schema if pa.types.is_struct(each.type) and each.type.get_field_index("bytes") >= 0
    ]
    plain = [each.name for each in schema if pa.types.is_binary(each.type) or pa.types.is_large_binary(each.type)]
    return str((structs or plain or [""])[0])


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
            inner = wanted[positions] - self._starts[owner]
            try:
                with self._lock:
                    images = self._images(int(owner), inner)
                found |= dict(zip(positions.tolist(), images, strict=True))
            except (OSError, pa.ArrowException) as error:
                name = self.paths[self._groups[owner][0]].name
                found |= {int(at): PatchError(f"{name}: Its rows here are damaged ({error}).") for at in positions}
        for position, row in enumerate(wanted):
            number = self._groups[owners[position]][0]
            yield f"{self.paths[number].name}[{row}]", partial(_given, found.pop(position))

    def _images(self, owner: int, rows: np.ndarray) -> list[bytes]:
        """Return the images of some rows of a group."""
        number, group = self._groups[owner]
        if number not in self._open:
            self._open[number] = (opened(self.paths[number]), image_column(self.paths[number]))
        file, image = self._open[number]
        if owner not in self._kept:
            if isinstance(file, pq.ParquetFile):
                leaf = f"{image}.bytes" if pa.types.is_struct(file.schema_arrow.field(image).type) else image
                if len(rows) <= FEW:
                    return _some_of(file, group, leaf, rows)
                images = file.read_row_group(group, columns=[leaf], use_threads=False).column(0).combine_chunks()
            else:
                images = file.column(image).chunk(group)
            while len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[owner] = _bytes_in(images)
        return [self._kept[owner][int(row)].as_py() or b"" for row in rows]


def _bytes_in(images: Any) -> Any:
    return images.field("bytes") if pa.types.is_struct(images.type) else images


def _some_of(file: pq.ParquetFile, group: int, leaf: str, rows: np.ndarray) -> list[bytes]:
    """Return the images of a few rows of a group, of which the rows behind the last wanted one are not unpacked."""
    found, start, wanted = dict[int, bytes](), 0, set(rows.tolist())
    for batch in file.iter_batches(AT_ONCE, row_groups=[group], columns=[leaf], use_threads=False):
        images = _bytes_in(batch.column(0))
        found |= {row: images[row - start].as_py() or b"" for row in wanted if start <= row < start + len(images)}
        start += len(images)
        if len(found) == len(wanted):
            break
    return [found[row] for row in rows.tolist()]


def _given(content: bytes | PatchError) -> bytes:
    if isinstance(content, PatchError):
        raise content
    return content


def _sizes(path: Path) -> list[int]:
    """Return the number of rows of each group of a Parquet file, or of each chunk of an Arrow file."""
    file = opened(path)
    if isinstance(file, pq.ParquetFile):
        return [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
    return [len(chunk) for chunk in file.column(image_column(path)).chunks]
