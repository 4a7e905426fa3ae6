"""Slides that sessions look at, by the tokens that stand for them in addresses, and what is served of each."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.slides.annotations import read_annotations
from core.slides.reader import Slide
from core.slides.slide_map import SlideMap
from core.slides.tiles import map_picture, outlines, tile

OPEN_SLIDES = 8
KEPT_TILES = 4096
"""Of some 15 kB each, for all sessions together."""


@dataclass(frozen=True)
class Opened:
    """A slide that a session looks at.

    Attributes:
        path: its file.
        folder: of its results.
        annotations: a file with outlines that people made, or None.
    """

    path: Path
    folder: Path
    annotations: Path | None = None


_SECRET = secrets.token_bytes(32)
_opened: dict[str, Opened] = {}


def open_token(opened: Opened) -> str:
    """Return what stands for a slide in addresses while this server runs; nobody can guess another's."""
    token = hmac.new(_SECRET, repr(opened).encode(), hashlib.sha256).hexdigest()[:32]
    _opened[token] = opened
    return token


def opened_slide(path: Path) -> Slide:
    """Return an open slide as its file is now, shared by sessions and threads. Raises :class:`DataError`."""
    return _slide(path, path.stat().st_mtime_ns if path.exists() else 0)


def tile_of(token: str, level: int, column: int, row: int) -> bytes | None:
    """Return a tile as JPEG; None where the token stands for nothing or the slide has no such tile.

    Raises:
        DataError: the slide is damaged.
    """
    opened = _opened.get(token)
    if opened is None or not opened.path.is_file():
        return None
    return _tile(opened.path, opened.path.stat().st_mtime_ns, level, column, row)


def map_of(token: str) -> bytes | None:
    """Return the map as PNG, or None where there is none. Raises :class:`DataError`."""
    opened = _opened.get(token)
    found = None if opened is None else SlideMap.load(opened.folder)
    return None if found is None else map_picture(found)


def outlines_of(token: str, kind: str) -> bytes | None:
    """Return the outlines of the model's areas ("areas") or of people ("annotations") as JSON, or None.

    Raises:
        DataError: their file is damaged.
    """
    opened = _opened.get(token)
    path = None if opened is None else opened.annotations if kind == "annotations" else opened.folder / "areas.geojson"
    if opened is None or path is None or not path.is_file():
        return None
    return _outlines(path, path.stat().st_mtime_ns, opened_slide(opened.path).bounds)


@lru_cache(maxsize=OPEN_SLIDES)
def _slide(path: Path, _changed: int) -> Slide:
    return Slide(path)


@lru_cache(maxsize=OPEN_SLIDES)
def _outlines(path: Path, _changed: int, bounds: tuple[int, int, int, int]) -> bytes:
    return json.dumps(outlines(read_annotations(path, bounds=bounds)), separators=(",", ":")).encode()


@lru_cache(maxsize=KEPT_TILES)
def _tile(path: Path, changed: int, level: int, column: int, row: int) -> bytes | None:
    return tile(_slide(path, changed), level, column, row)
