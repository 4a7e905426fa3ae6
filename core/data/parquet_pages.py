"""A few byte strings of a column of a Parquet file, without making an array of their whole group of rows.

Arrow copies and checks all of a group, 20 MB for one picture; here its pages are unpacked, and only what is wanted is
taken out of them. Source: Apache Parquet 2.11, "Encodings" and ``parquet.thrift``, whose page headers are
in Thrift's compact protocol. What is rare (missing values, other encodings) is left to Arrow.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DATA, DICTIONARY, DATA_2 = 0, 2, 3
PLAIN, BY_DICTIONARY = 0, (2, 8)
CODECS = {"UNCOMPRESSED": "", "SNAPPY": "snappy", "ZSTD": "zstd", "GZIP": "gzip", "BROTLI": "brotli"}

HEADER = 65_536
"""Bytes within which the header of a page ends; statistics may make it long."""


def few_values(path: Path, metadata: pq.FileMetaData, group: int, leaf: str, rows: np.ndarray) -> list[bytes] | None:
    """Return the values of a few rows of a group, or None where it is of a kind that is left to Arrow.

    Args:
        path: the file.
        metadata: of it.
        group: number of the group of rows.
        leaf: the column, such as "image.bytes".
        rows: their numbers in the group.

    Raises:
        OSError: it cannot be read.
        pa.ArrowException: it is damaged.
    """
    names = [metadata.schema.column(at).path for at in range(metadata.num_columns)]
    number = names.index(leaf) if leaf in names else -1
    chunk = metadata.row_group(group).column(number) if number >= 0 else None
    if chunk is None or chunk.compression not in CODECS or chunk.statistics is None or chunk.statistics.null_count != 0:
        return None
    try:
        return _taken(path, chunk, metadata.schema.column(number).max_definition_level > 0, rows)
    except (IndexError, KeyError, ValueError, OverflowError):  # damaged, or as no writer known here makes it
        return None


def _taken(path: Path, chunk: Any, levels: bool, rows: np.ndarray) -> list[bytes] | None:
    at = chunk.dictionary_page_offset or chunk.data_page_offset
    end, first = at + chunk.total_compressed_size, 0
    found, dictionary = dict[int, bytes](), memoryview(b"")
    with pa.memory_map(str(path)) as source:
        while at < end and len(found) < len(set(rows.tolist())):
            header, length = _struct(_part(source, at, min(HEADER, end - at)), 0)
            body, at = (at + length, header[3]), at + length + header[3]
            about = header.get(8 if header[1] == DATA_2 else 5, {})
            if header[1] == DICTIONARY:
                dictionary = _unpacked(source, body, header, chunk.compression, 0)
                continue
            here = np.unique(rows[(rows >= first) & (rows < first + about[1])])
            if len(here):
                apart = about[5] + about[6] if header[1] == DATA_2 else 0
                plain = header[1] == DATA_2 and not about.get(7, True)
                data = _unpacked(source, body, header, "UNCOMPRESSED" if plain else chunk.compression, apart)
                start = 4 + int.from_bytes(data[:4], "little") if header[1] == DATA and levels else 0
                coding = about[4 if header[1] == DATA_2 else 2]
                if coding in BY_DICTIONARY:
                    values = _strings(dictionary, 0, _indices(data, start, here - first))
                elif coding == PLAIN:
                    values = _strings(data, start, here - first)
                else:
                    return None
                found |= dict(zip(here.tolist(), values, strict=True))
            first += about[1]
    return [found[row] for row in rows.tolist()] if found.keys() >= set(rows.tolist()) else None


def _part(source: Any, at: int, size: int) -> memoryview:
    source.seek(at)
    return memoryview(source.read_buffer(size)).cast("B")  # Arrow's own are of signed bytes


def _unpacked(source: Any, body: tuple[int, int], header: dict[int, Any], codec: str, apart: int) -> memoryview:
    """Return the bytes of a page behind those that are `apart`: levels that are never compressed."""
    data = _part(source, body[0] + apart, body[1] - apart)
    if CODECS[codec]:
        return memoryview(pa.decompress(data, header[2] - apart, codec=CODECS[codec])).cast("B")
    return data


def _strings(data: Any, at: int, wanted: np.ndarray) -> list[bytes]:
    """Return some of the strings that stand one behind the other, each behind its length."""
    starts = []
    for _ in range(int(wanted.max()) + 1):
        starts.append(at + 4)
        at += 4 + int.from_bytes(data[at : at + 4], "little")
    if at > len(data):
        raise pa.ArrowInvalid("a page ends within a value")
    return [bytes(data[(to := starts[each]) : to + int.from_bytes(data[to - 4 : to], "little")]) for each in wanted]


def _indices(data: Any, at: int, wanted: np.ndarray) -> np.ndarray:
    """Return some of the numbers in runs and bit-packed groups of eight."""
    width, at, found, count = int(data[at]), at + 1, list[np.ndarray](), 0
    while count <= wanted.max():
        head, at = _varint(data, at)
        if head & 1:
            size = (head >> 1) * width
            bits = np.unpackbits(np.frombuffer(data[at : at + size], np.uint8), bitorder="little")
            found.append(bits.reshape(-1, width) @ (1 << np.arange(width)) if width else np.zeros(8 * (head >> 1), int))
        else:
            size = (width + 7) // 8
            found.append(np.full(head >> 1, int.from_bytes(data[at : at + size], "little")))
        at, count = at + size, count + len(found[-1])
    numbers: np.ndarray = np.concatenate(found)[wanted]
    return numbers


def _struct(data: Any, at: int) -> tuple[dict[int, Any], int]:
    """Return the fields of a struct by number, and where it ends; texts are passed over."""
    found, number = dict[int, Any](), 0
    while head := data[at]:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = _integer(data, at)
        kind = head & 15
        if kind in (1, 2):
            found[number] = kind == 1
        elif kind in (3, 4, 5, 6):
            found[number], at = (data[at], at + 1) if kind == 3 else _integer(data, at)
        elif kind == 8:
            size, at = _varint(data, at)
            at += size
        elif kind == 12:
            found[number], at = _struct(data, at)
        else:
            raise pa.ArrowInvalid(f"the header of a page has a field of kind {kind}")
    return found, at + 1


def _integer(data: Any, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(data: Any, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at
