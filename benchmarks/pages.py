"""How long a visitor waits, with a real server and a real browser.

Run: ``python benchmarks/pages.py --folder DIR [--rounds 5] [--neighbours]``. It needs playwright and a Chromium; `DIR`
is a folder of labelled patches, which is packed first. The server has a home folder of its own that is empty, so that
the first visit is one: PyTorch is imported and the demo set is made. All waits are by the clock, from the click to what
the visitor waits for; those that repeat are the median of the rounds and the longest. `--neighbours` first has the
features of the demo's patches read, which takes a minute or several.
"""

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, FilePayload, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PATIENCE = 900
"""Seconds after which a wait counts as endless."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--neighbours", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, _browser() as browser:
        environment = {**os.environ, "NODESCOPE_HOME": home}
        if arguments.folder:
            command = [sys.executable, "-m", "core", "pack", "--data", str(arguments.folder)]
            subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        print(f"load before {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n\n| wait | median, s | longest, s |")
        print("| --- | --- | --- |")
        with _server(environment) as address:
            _first(browser, address)
            page = _warm(browser, address, arguments.rounds)
            _grid(page, arguments.rounds)
            _patches(page, arguments.rounds, neighbours=arguments.neighbours)
            _upload(page, address, arguments.rounds)
            if arguments.folder:
                _folder(browser, address, arguments.folder, arguments.rounds)
        print(f"\nload after {os.getloadavg()[0]:.1f}")


def _first(browser: Browser, address: str) -> None:
    page, started = _blank(browser), time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator("h2").first.wait_for()
    _say("first visit: the title", [time.perf_counter() - started])
    page.locator(".patch").first.wait_for()
    _say("first visit: patches, the demo set made meanwhile", [time.perf_counter() - started])
    page.close()


def _warm(browser: Browser, address: str, rounds: int) -> Page:
    titles, patches = [], []
    for number in range(rounds):
        page, started = _blank(browser), time.perf_counter()
        page.goto(address, wait_until="commit")
        page.locator("h2").first.wait_for()
        titles.append(time.perf_counter() - started)
        page.locator(".patch").first.wait_for()
        patches.append(time.perf_counter() - started)
        if number < rounds - 1:
            page.close()
    _say("warm visit: the title", titles)
    _say("warm visit: patches", patches)
    return page


def _grid(page: Page, rounds: int) -> None:
    button, first = page.get_by_role("button", name="Next").first, page.locator(".patch").first
    waits = []
    for _ in range(rounds):
        page.wait_for_timeout(1500)
        waits.append(_until_changed(button.click, lambda: first.get_attribute("aria-label")))
    _say("the next page of the grid", waits)


def _patches(page: Page, rounds: int, *, neighbours: bool) -> None:
    dialog = page.get_by_role("dialog")

    def opened(number: int, awaited: str) -> float:
        page.wait_for_timeout(1500)
        wait = _timed(page.locator(".patch").nth(number).click, lambda: dialog.get_by_text(awaited).count() > 0)
        page.wait_for_timeout(3000)  # the map of the patch follows
        return wait

    waits = []
    for number in range(rounds):
        waits.append(opened(number, "probability of tumour"))
        page.keyboard.press("Escape")
        dialog.wait_for(state="detached")
    _say("open a patch: its probability", waits)
    if not neighbours:
        return
    opened(rounds, "probability of tumour")
    found = dialog.get_by_text("are tumour. The number is")
    wait = _timed(dialog.get_by_role("button", name="Find similar patches").click, lambda: found.count() > 0)
    _say("similar patches for the first time, in the background", [wait])
    waits = []
    for number in range(rounds):
        page.keyboard.press("Escape")
        dialog.wait_for(state="detached")
        waits.append(opened(rounds + 1 + number, "are tumour. The number is"))
    _say("open a patch: similar patches", waits)
    page.keyboard.press("Escape")


def _upload(page: Page, address: str, rounds: int) -> None:
    page.goto(f"{address}/predict")
    page.get_by_text("Your patches").first.wait_for()
    files = page.locator("[data-testid=stFileUploader] input[type=file]")
    probability = page.get_by_text(re.compile(r"^[<>]?\d+\.\d%$")).first  # of an example, until the upload has its own
    waits = []
    for number in range(rounds):
        page.wait_for_timeout(2500)
        file = FilePayload(name=f"upload-{number}.png", mimeType="image/png", buffer=_picture(number))
        waits.append(_until_changed(partial(files.set_input_files, file), probability.text_content))
        page.goto(f"{address}/predict")
        page.get_by_text("Your patches").first.wait_for()
    _say("upload a patch: its probability", waits)


def _folder(browser: Browser, address: str, folder: Path, rounds: int) -> None:
    waits = []
    for _ in range(rounds):
        page = _blank(browser)
        started = time.perf_counter()
        page.goto(f"{address}/?data={quote(str(folder))}", wait_until="commit")
        question = page.get_by_role("button", name="Open folder")
        question.or_(page.locator(".patch").first).first.wait_for()
        if question.count():
            question.click()
        page.locator(".patch").first.wait_for()
        waits.append(time.perf_counter() - started)
        page.close()
    _say("a visit to a packed folder: the first time", waits[:1])
    _say("a visit to a packed folder: again", waits[1:])


def _picture(seed: int) -> bytes:
    """Return a patch that no visitor has uploaded yet, as PNG."""
    sys.path.insert(0, str(ROOT))
    import numpy as np

    from core.display import to_png

    return to_png(np.random.default_rng(seed).integers(0, 255, (96, 96, 3), dtype=np.uint8))


def _timed(act: Callable[[], object], is_done: Callable[[], bool]) -> float:
    started = time.perf_counter()
    act()
    while not is_done():
        if time.perf_counter() - started > PATIENCE:
            raise TimeoutError("What the visitor waits for did not come.")
        time.sleep(0.02)
    return time.perf_counter() - started


def _until_changed(act: Callable[[], object], read: Callable[[], object]) -> float:
    before = read()
    return _timed(act, lambda: read() != before)


def _say(wait: str, seconds: list[float]) -> None:
    if seconds:
        print(f"| {wait} (n = {len(seconds)}) | {statistics.median(seconds):.2f} | {max(seconds):.2f} |", flush=True)


def _blank(browser: Browser) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(PATIENCE * 1000)
    return page


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        yield browser
        browser.close()


@contextmanager
def _server(environment: dict[str, str]) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    started = time.perf_counter()
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", port]
    server = subprocess.Popen(
        [*command, "--server.headless", "true"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        while not _answers(f"http://localhost:{port}/_stcore/health"):
            time.sleep(0.05)
        _say("the server answers", [time.perf_counter() - started])
        yield f"http://localhost:{port}"
    finally:
        server.terminate()
        server.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
