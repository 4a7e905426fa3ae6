"""What the server answers at all: requests under its own names, from its own pages, in no frame of another page.

And what its pages may fetch: names of files, models and data sets are drawn as Markdown, and one could bring a picture
from elsewhere. The browser is told to load pictures, sounds and fonts from this server alone, whatever a text says.
"""

from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(("frame-ancestors 'self'", *(f"{kind}-src 'self' data: blob:" for kind in ("img", "media", "font"))))
"""The Content-Security-Policy of every answer."""


class OwnPagesOnly:
    """Refuse requests of foreign pages; Streamlit alone takes those of any other server on this computer.

    Args:
        app: what answers the others.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with status 403."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif _is_own(Headers(scope=scope), scope["path"]):
            await self._app(scope, receive, _guarded(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse("This name or page is not allowed.", 403)(scope, receive, send)


def _is_own(headers: Headers, path: str) -> bool:
    host, origin = headers.get("host", ""), headers.get("origin")
    names: list[str] = st.get_option("server.allowedHosts")
    if names and not any(_is_name(urlsplit(f"//{host}").hostname or "", name) for name in names):
        return False
    own = origin is None or urlsplit(origin).netloc == host or origin in st.get_option("server.corsAllowedOrigins")
    return own and not path.endswith("/_stcore/metrics")  # it says who works here, and nobody here reads it


def _is_name(host: str, name: str) -> bool:
    # As Streamlit reads the option for its websocket: a name, "*.example.org" or "*".
    return name == "*" or host == name.lower() or (name.startswith("*.") and host.endswith(name[1:].lower()))


def _guarded(send: Send) -> Send:
    async def with_policy(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Frame-Options"] = "SAMEORIGIN"
            headers["Content-Security-Policy"] = POLICY
        await send(message)

    return with_policy
