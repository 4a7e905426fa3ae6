"""Who is answered: own names and own pages only, and in no frame of a foreign page."""

import asyncio
from typing import Any

import pytest
import streamlit as st

from pages._ui.server import OwnPagesOnly

LOCAL = "localhost:8501"


def _ask(kind: str, path: str, host: str, origin: str | None) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(
            {"type": f"{kind}.response.start" if kind == "http" else "websocket.accept", "status": 200, "headers": []}
        )

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin else [])
    scope = {"type": kind, "path": path, "method": "GET", "headers": headers}
    asyncio.run(OwnPagesOnly(app)(scope, receive, send))
    return sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("host", "origin", "path", "is_answered"),
    [
        (LOCAL, None, "/", True),
        (LOCAL, f"http://{LOCAL}", "/_stcore/stream", True),
        ("[::1]:8501", "http://[::1]:8501", "/_stcore/stream", True),
        ("LOCALHOST:8501", None, "/", True),
        ("viewer.example.org", "https://viewer.example.org", "/", True),
        ("a.lab.example.org", None, "/", True),
        ("evil.example:8501", "http://evil.example:8501", "/_stcore/stream", False),
        ("evil.example", None, "/media/x.png", False),
        ("localhost.evil.example", None, "/", False),
        ("lab.example.org.evil.example", None, "/", False),
        ("", None, "/", False),
        (LOCAL, "http://localhost:9999", "/_stcore/stream", False),
        (LOCAL, "https://evil.example", "/_stcore/stream", False),
        (LOCAL, "null", "/_stcore/stream", False),
        (LOCAL, None, "/_stcore/metrics", False),
    ],
)
def test_only_own_names_and_pages_are_answered(
    kind: str, host: str, origin: str | None, path: str, is_answered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"server.allowedHosts": ["localhost", "::1", "viewer.example.org", "*.lab.example.org"],
               "server.corsAllowedOrigins": []}  # fmt: skip
    monkeypatch.setattr(st, "get_option", options.__getitem__)
    first = _ask(kind, path, host, origin)[0]
    assert (first["type"] != "websocket.close" and first.get("status") != 403) == is_answered
    if kind == "http" and is_answered:
        assert (b"x-frame-options", b"SAMEORIGIN") in first["headers"]
        policy = dict(first["headers"])[b"content-security-policy"].decode()
        # A model may be named ![](https://evil.example/x.png), and names are drawn as Markdown.
        assert {"frame-ancestors 'self'", "img-src 'self' data: blob:"} <= set(policy.split("; "))


def test_the_options_of_the_app_name_this_computer_only() -> None:
    assert st.get_option("server.allowedHosts") == ["localhost", "127.0.0.1", "::1"]
