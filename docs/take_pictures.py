"""Take the guide's pictures from a running viewer: python docs/take_pictures.py [ADDRESS [PICTURE...]]."""

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

FOLDER = Path(__file__).parent / "pictures"
PAGES = {
    "browse": "",
    "browse-balance": "?browse_view=Balance",
    "browse-patch": "?open=demo-s00-p049",
    "browse-quality": "?browse_view=Quality",
    "browse-splits": "?browse_view=Splits&split_by=By+slide",
    "train": "train",
    "evaluate": "evaluate",
    "predict": "predict",
    "predict-tumour": "predict?patch=demo-s00-p048",
    "predict-normal": "predict?patch=demo-s29-p029",
    "predict-uncertain": "predict?patch=demo-s26-p004",
    "predict-photograph": "predict",
    "predict-tiles": "predict",
    "predict-map": "predict?model=nodescope-net,+symmetric",
}
"""Name of the picture -> the page and what its address says."""


def photograph() -> np.ndarray:
    """Return something like a photograph of a meadow under the sky, uint8 96×96×3."""
    y, x = np.mgrid[0:96, 0:96]
    sky = np.stack([120 + y, 160 + y / 2, 250 - y / 3], axis=-1)
    grass = np.stack([50 + 30 * np.sin(x / 2 + y), 120 + 40 * np.cos((x + 3 * y) / 5), 40 + 0 * x], axis=-1)
    return np.where(y[..., None] < 55, sky, grass).clip(0, 255).astype(np.uint8)


def region() -> np.ndarray:
    """Return 3×6 patches of the demo set side by side, as a larger picture."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from core.data import open_demo

    demo = open_demo()
    rows = np.flatnonzero((demo.table["split"] == "test").to_numpy())
    patches = demo.store.load(np.random.default_rng(0).permutation(rows)[:18]).pixels
    return np.concatenate([np.concatenate(patches[start : start + 6], axis=1) for start in (0, 6, 12)])


UPLOADS: dict[str, Callable[[], np.ndarray]] = {
    "predict-photograph": photograph,
    "predict-tiles": region,
    "predict-map": region,
}
"""Name of the picture -> what is uploaded first."""

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def take(browser: Browser, address: str, name: str) -> None:
    """Open one page and save what is seen; Evaluate is asked to evaluate first, Quality to check."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000}, color_scheme="light")
    page.set_default_timeout(180_000)
    page.goto(f"{address}/{PAGES[name]}")
    page.locator(".research-only").wait_for()
    if name == "browse-patch":
        page.get_by_text("Grad-CAM").first.wait_for()
    if name == "evaluate":
        page.wait_for_timeout(2000)
        start = page.get_by_role("button", name="Evaluate")
        if start.count():
            start.click()
            page.get_by_text("Confusion matrix").first.wait_for()
    if name == "browse-quality":
        page.wait_for_timeout(2000)  # the button comes after the rest of the page
        start = page.get_by_role("button", name="Check", exact=True)
        if start.count():
            start.click()
        page.get_by_text("checked: ").wait_for()
    if name in UPLOADS:
        buffer = io.BytesIO()
        Image.fromarray(UPLOADS[name]()).save(buffer, "PNG")
        file = {"name": f"{name.removeprefix('predict-')}.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
        page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(file)
    if name in ("predict-tiles", "predict-map"):
        page.get_by_text("All tiles", exact=True).click()
        page.get_by_text("Solid red: called tumour").wait_for()
    if name == "predict-map":
        page.get_by_text("Map", exact=True).click()
        page.get_by_text("of the tissue in the grey frame").wait_for()
    if name.startswith("predict"):
        page.get_by_text("Does it look at the centre?").wait_for()
    page.wait_for_timeout(4000)
    page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton], [data-testid=stStatusWidget]')")
    page.wait_for_timeout(1500)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shot.quantize(256).save(FOLDER / f"{name}.png", optimize=True)  # a third of the size
    page.close()


def main() -> None:
    """Take all pictures."""
    address = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8501"
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        for name in sys.argv[2:] or PAGES:
            take(browser, address, name)
        browser.close()


if __name__ == "__main__":
    main()
