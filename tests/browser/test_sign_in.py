"""Signing in with an identity provider, in a real browser, under a sub-path."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.storage.home import runs_home
from tests.browser.conftest import ROOT, free_port, served

# The provider for tests still uses what newer versions of Authlib deprecate.
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def address(tmp_path: Path, shared_home: Path) -> Iterator[str]:
    """The address of a viewer under /scope that asks a provider, with one data root."""
    pytest.importorskip("authlib", reason="the Python package Authlib is not installed")
    provider = pytest.importorskip("oidc_provider_mock", reason="the package oidc-provider-mock is not installed")
    (tmp_path / ".streamlit").mkdir()
    port = free_port()
    with provider.run_server_in_thread(port=0) as server:
        secrets = {
            "redirect_uri": f"http://localhost:{port}/scope/oauth2callback", "cookie_secret": "0123456789abcdef" * 2,
            "client_id": "nodescope", "client_secret": "secret",
            "server_metadata_url": f"http://localhost:{server.server_port}/.well-known/openid-configuration",
        }  # fmt: skip
        lines = "\n".join(f'{name} = "{value}"' for name, value in secrets.items())
        (tmp_path / ".streamlit" / "secrets.toml").write_text(f"[auth]\n{lines}\n")
        program = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); from nodescope.__main__ import main; sys.exit(main())"
        )
        command = [sys.executable, "-c", program, "app", "--no-browser", "--port", str(port)]
        command += ["--server.baseUrlPath", "scope"]
        with served(command, f"http://localhost:{port}/scope", tmp_path / "log.txt", cwd=tmp_path) as there:
            yield there


def test_who_has_not_signed_in_sees_nothing_and_who_has_is_named(
    address: str, page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.goto(f"{address}/train")
    page.get_by_role("button", name="Sign in").wait_for()
    assert page.get_by_text("Data set").count() == 0
    assert page.get_by_role("link", name="Train").count() == 0

    page.get_by_role("button", name="Sign in").click()
    page.locator("input[name=sub]").fill("Ada")
    page.get_by_role("button", name=re.compile("authorize", re.IGNORECASE)).first.click()

    page.get_by_role("button", name="Sign out Ada").wait_for()
    page.get_by_role("link", name="Train").click()
    page.get_by_text("New run", exact=True).click()
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("Started by Ada").wait_for()
    newest = max(runs_home().glob("*/by.txt"))  # others were started by other tests
    assert newest.read_text("utf-8") == "Ada"

    page.get_by_role("button", name="Sign out Ada").click()
    page.wait_for_url(re.compile("end_session"))  # a page of the provider's, which may ask once more
    page.goto(address)
    page.get_by_role("button", name="Sign in").wait_for()
