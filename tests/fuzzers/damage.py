"""What happens to one file of a folder: on a disk, by a program, by a person."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

Random = np.random.Generator

DEEP = "[" * 100_000 + "]" * 100_000
VALUES = (
    "null", "true", "[]", "{}", '""', '"x"', '"²"', '"\\u001b[31m"', "-1", "0", "1e308", "-1e308", "NaN", "Infinity",
    "1e999", "9" * 5_000, "[null]", "[[[]]]", '{"a": []}', "3.5", DEEP,
)  # fmt: skip
CELLS = ("", "nan", "inf", "-1", "1e999", "x", "²", "é" * 300, '"', "\x00", "1,2", "9" * 400)
MARK = "@@damaged@@"


def damage_file(rng: Random, path: Path) -> str:
    """Damage a file and return how."""
    ways = [_cut, _bits, _zeros, _folder, _whole, _whole]
    ways += {".json": [_json] * 8, ".csv": [_cell] * 6, ".npz": [_array] * 6}.get(path.suffix, [])
    return ways[rng.integers(len(ways))](rng, path)


def copy_with_damage(rng: Random, source: Path, destination: Path) -> str:
    """Copy a folder, damage one of its files, and return which and how."""
    shutil.rmtree(destination, ignore_errors=True)
    shutil.copytree(source, destination)
    files = sorted(path for path in destination.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    path = files[rng.integers(len(files))]
    return f"{path.relative_to(destination)}: {damage_file(rng, path)}"


def _cut(rng: Random, path: Path) -> str:
    data = path.read_bytes()
    keep = int(rng.integers(len(data) + 1))
    path.write_bytes(data[:keep])
    return f"cut to {keep} of {len(data)} bytes"


def _bits(rng: Random, path: Path) -> str:
    data = bytearray(path.read_bytes())
    places = [int(rng.integers(len(data))) for _ in range(int(rng.integers(1, 9)))] if data else []
    for place in places:
        data[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)
    return f"bits flipped in {sorted(places)}"


def _zeros(rng: Random, path: Path) -> str:
    data = bytearray(path.read_bytes())
    start, length = int(rng.integers(len(data) + 1)), int(rng.integers(1, 4097))
    stop = min(start + length, len(data))
    data[start:stop] = bytes(stop - start)
    path.write_bytes(data)
    return f"zeros in {start}:{stop}"


def _folder(_rng: Random, path: Path) -> str:
    path.unlink()
    path.mkdir()
    return "a folder"


def _whole(rng: Random, path: Path) -> str:
    contents = [b"", b"some text\n", b"\xff\xfe\xe9 caf\xe9\n", b"\x00" * 100, b"SQLite format 3\x00garbage"]
    contents += [value.encode() for value in VALUES]
    content = contents[rng.integers(len(contents))]
    path.write_bytes(content)
    return f"replaced by {content[:30]!r}"


def _json(rng: Random, path: Path) -> str:
    root = {"": json.loads(path.read_text("utf-8"))}
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(root)
    node, key = places[rng.integers(len(places))]
    if rng.random() < 0.25 and node is not root:
        del node[key]
        how = f"without {key!r}"
    else:
        value = VALUES[rng.integers(len(VALUES))]
        node[key] = MARK
        how = f"{key!r} = {value[:30]}"
        path.write_text(json.dumps(root[""]).replace(f'"{MARK}"', value), "utf-8")
        return how
    path.write_text(json.dumps(root[""]), "utf-8")
    return how


def _cell(rng: Random, path: Path) -> str:
    rows = [line.split(",") for line in path.read_text("utf-8").splitlines()]
    if not rows:
        return _whole(rng, path)
    row = rows[rng.integers(len(rows))]
    column, value = int(rng.integers(len(row))), CELLS[rng.integers(len(CELLS))]
    row[column] = value
    path.write_text("\n".join(map(",".join, rows)) + "\n", "utf-8")
    return f"cell {column} = {value[:20]!r}"


def _array(rng: Random, path: Path) -> str:
    with np.load(path, allow_pickle=False) as stored:
        arrays = dict(stored)
    name = sorted(arrays)[rng.integers(len(arrays))]
    array = arrays[name]
    changes: dict[str, Any] = {
        "shortened": array[:-1] if array.ndim else array,
        "empty": array[:0] if array.ndim else array,
        "as text": array.astype(str),
        "as complex": np.zeros(array.shape, complex),
        "two-dimensional": np.zeros((3, 3)),
        "NaN": np.full(array.shape, np.nan),
        "huge": np.full(array.shape, 2**62),
    }
    how = sorted(changes)[rng.integers(len(changes))]
    if how == "as text" and array.dtype.kind == "V":
        how = "empty"
    buffer = io.BytesIO()
    if rng.random() < 0.15:
        del arrays[name]
        how = "missing"
    else:
        arrays[name] = changes[how]
    np.savez(buffer, **arrays)
    path.write_bytes(buffer.getvalue())
    return f"array {name} {how}"
