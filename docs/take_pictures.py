"""Take the guide's pictures from a running viewer: python docs/take_pictures.py [ADDRESS]."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FOLDER = Path(__file__).parent / "pictures"
PAGES = ("browse", "train", "evaluate", "predict")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def take(browser: Browser, address: str, name: str) -> None:
    """Open one page and save what is seen; Evaluate is asked to evaluate first."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000}, color_scheme="light")
    page.set_default_timeout(180_000)
    page.goto(f"{address}/{'' if name == 'browse' else name}")
    page.get_by_role("heading", name=name.capitalize()).first.wait_for()
    if name == "evaluate":
        page.wait_for_timeout(2000)
        start = page.get_by_role("button", name="Evaluate", exact=True)
        if start.count():
            start.click()
            page.get_by_text("Confusion matrix").first.wait_for()
    page.wait_for_timeout(4000)
    page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
    page.wait_for_timeout(1500)
    page.screenshot(path=str(FOLDER / f"{name}.png"))
    page.close()


def main() -> None:
    """Take all pictures."""
    address = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8501"
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        for name in PAGES:
            take(browser, address, name)
        browser.close()


if __name__ == "__main__":
    main()
