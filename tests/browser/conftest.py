"""A real server and a real browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE = 180_000
"""Milliseconds until something expected must be there: the first page waits for the demo set to be generated."""


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium, or a skip that says there is none."""
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        message = f"none of {', '.join(BROWSERS)} is installed"
        if os.environ.get("NODESCOPE_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture(scope="session")
def address(shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app, served for the session."""
    port, log = free_port(), tmp_path_factory.mktemp("server") / "log.txt"
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)]
    environment = {**os.environ, "NODESCOPE_HOME": str(shared_home)}
    # What the page says is all that a failed test shows of an error.
    command += ["--server.headless", "true", "--client.showErrorDetails", "full"]
    with served(command, f"http://localhost:{port}", log, cwd=ROOT, env=environment) as there:
        yield there


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(command: list[str], there: str, log: Path, **more: Any) -> Iterator[str]:
    """Run a viewer during the body, once it answers at its address."""
    with log.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **more)
    try:
        _wait(f"{there}/_stcore/health", server, log)
        yield there
    finally:
        server.terminate()
        server.wait(20)


def look_at(page: Any, folder: Path) -> Any:
    """Name a folder in the dialog that opens data sets; return the dialog."""
    page.get_by_role("button", name="Open a folder …").click()
    dialog = page.get_by_role("dialog")
    field = dialog.get_by_label("Folder, table or zip on this computer")
    field.fill(str(folder))
    field.press("Enter")
    return dialog


def _wait(url: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.25)
    raise RuntimeError(f"the server did not start: {log.read_text()}")


@pytest.fixture
def browser(chromium: str) -> Iterator[object]:
    """A browser without a page."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser) -> object:
    """A fresh browser page, on which each step waits until what came before it is drawn."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(PATIENCE)
    # Else a busy computer draws the page anew between two steps: the list that was opened closes, and the step is lost.
    drawing = page.locator(".stApp:not([data-test-script-state=notRunning])")
    page.add_locator_handler(drawing, lambda: drawing.wait_for(state="detached"), no_wait_after=True)
    return page
