"""What the server answers beside the pages: tiles, maps and outlines of slides that a session has opened.

An address holds a token and no path, so that nothing else can be asked for (:mod:`pages._ui.slides.opened`). The server
loads this file before it listens, and what reads slides only with the first request.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from core.errors import NodescopeError


def routes(base: str = "") -> list[Route]:
    """Return the routes below `base`, the path at which the app is served."""
    top = f"/{base.strip('/')}/tiles".replace("//", "/")
    return [
        Route(f"{top}/openseadragon.js", _script),
        Route(f"{top}/{{token}}/map.png", _map),
        Route(f"{top}/{{token}}/{{kind}}.json", _outlines),
        Route(f"{top}/{{token}}/{{level:int}}/{{column:int}}_{{row:int}}.jpg", _tile),
    ]


async def _tile(request: Request) -> Response:
    at = request.path_params
    return await _answered("image/jpeg", "tile_of", at["token"], at["level"], at["column"], at["row"])


async def _map(request: Request) -> Response:
    return await _answered("image/png", "map_of", request.path_params["token"])


async def _outlines(request: Request) -> Response:
    return await _answered("application/json", "outlines_of", request.path_params["token"], request.path_params["kind"])


async def _answered(kind: str, name: str, *arguments: Any) -> Response:
    """Answer with what a function of `opened` returns; 404 for None, 422 with a sentence for what is damaged."""

    def made() -> bytes | None:
        function: Callable[..., bytes | None] = getattr(import_module("pages._ui.slides.opened"), name)
        return function(*arguments)

    try:
        body = await run_in_threadpool(made)
    except NodescopeError as error:
        return Response(str(error), 422, media_type="text/plain")
    # Private, because what lies between must not keep tissue of patients.
    headers = {"Cache-Control": "private, max-age=86400"}
    return Response(status_code=404) if body is None else Response(body, media_type=kind, headers=headers)


async def _script(_request: Request) -> Response:
    path = await run_in_threadpool(lambda: import_module("core.slides.openseadragon").openseadragon())
    if path is None:
        return Response(status_code=404)
    return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": "max-age=604800"})
