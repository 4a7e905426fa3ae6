"""What the server answers beside the pages: tiles, maps and outlines of slides that a session has opened.

An address holds a token and no path: only slides that :func:`open_token` was called for can be asked for, and nobody
can guess another's.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from core.errors import NodescopeError
from core.slides.annotations import read_annotations
from core.slides.openseadragon import openseadragon
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
    """Return what stands for a slide in addresses while this server runs."""
    token = hmac.new(_SECRET, repr(opened).encode(), hashlib.sha256).hexdigest()[:32]
    _opened[token] = opened
    return token


@lru_cache(maxsize=OPEN_SLIDES)
def slide_of(path: Path, _changed: int) -> Slide:
    """Return an open slide, shared by sessions and threads. Raises :class:`DataError`."""
    return Slide(path)


def opened_slide(path: Path) -> Slide:
    """Return an open slide as its file is now. Raises :class:`DataError`."""
    return slide_of(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=KEPT_TILES)
def _tile(path: Path, changed: int, level: int, column: int, row: int) -> bytes | None:
    return tile(slide_of(path, changed), level, column, row)


async def _tiles(request: Request) -> Response:
    opened, at = _opened.get(request.path_params["token"]), request.path_params
    if opened is None:
        return Response(status_code=404)

    def made() -> bytes | None:
        return _tile(opened.path, opened.path.stat().st_mtime_ns, at["level"], at["column"], at["row"])

    return await _answered(made, "image/jpeg")


async def _map(request: Request) -> Response:
    opened = _opened.get(request.path_params["token"])

    def made() -> bytes | None:
        found = None if opened is None else SlideMap.load(opened.folder)
        return None if found is None else map_picture(found)[0]

    return await _answered(made, "image/png")


async def _outlines(request: Request) -> Response:
    opened, kind = _opened.get(request.path_params["token"]), request.path_params["kind"]

    def made() -> bytes | None:
        if opened is None:
            return None
        path = opened.annotations if kind == "annotations" else opened.folder / "areas.geojson"
        if path is None or not path.is_file():
            return None
        found = read_annotations(path, bounds=opened_slide(opened.path).bounds)
        return json.dumps(outlines(found), separators=(",", ":")).encode()

    return await _answered(made, "application/json")


async def _answered(made: Callable[[], bytes | None], kind: str) -> Response:
    """Answer with what `made` returns in a thread of its own; 404 for None, 422 with a sentence for what is damaged."""
    try:
        body = await run_in_threadpool(made)
    except NodescopeError as error:
        return Response(str(error), 422, media_type="text/plain")
    except FileNotFoundError:
        return Response(status_code=404)
    # Private, because what lies between must not keep tissue of patients.
    headers = {"Cache-Control": "private, max-age=86400"}
    return Response(status_code=404) if body is None else Response(body, media_type=kind, headers=headers)


async def _script(_request: Request) -> Response:
    path = openseadragon()
    if path is None:
        return Response(status_code=404)
    return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": "max-age=604800"})


def routes(base: str = "") -> list[Any]:
    """Return the routes below `base`, the path at which the app is served."""
    top = f"/{base.strip('/')}" if base.strip("/") else ""
    return [
        Route(f"{top}/tiles/openseadragon.js", _script),
        Route(f"{top}/tiles/{{token}}/map.png", _map),
        Route(f"{top}/tiles/{{token}}/{{kind}}.json", _outlines),
        Route(f"{top}/tiles/{{token}}/{{level:int}}/{{column:int}}_{{row:int}}.jpg", _tiles),
    ]
