"""A slide in a real browser: it is moved, measured and clicked, and nothing comes from elsewhere."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from core.bundle import load_bundle
from core.bundle.shipped import DEFAULT, SHIPPED
from core.data import Dataset
from core.errors import DataError
from core.slides.folders import Results
from core.slides.openseadragon import fetch_openseadragon, openseadragon
from core.slides.slide_map import SlideMap

pytestmark = pytest.mark.browser

MPP = 0.97
SIZE = 1600, 1200
VIEWER = "[...document.querySelectorAll('*')].map((each) => each.slide).find(Boolean)"


@pytest.fixture
def slide(shared_home: Path, tmp_path: Path, small_demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A slide of 1600×1200 pixels with a map in which one cell of four is 0.9 and the others are 0.1, and one focus."""
    monkeypatch.setenv("NODESCOPE_HOME", str(shared_home))
    if openseadragon() is None:
        try:
            fetch_openseadragon()
        except DataError as error:
            pytest.skip(str(error))
    tile = small_demo.store.load(np.arange(1)).pixels[0]
    pixels = np.full((SIZE[1], SIZE[0], 3), 244, np.uint8)
    pixels[192:960, 192:1344] = np.tile(tile, (8, 12, 1))
    path = tmp_path / "wide.png"
    Image.fromarray(pixels).save(path, dpi=(25_400 / MPP, 25_400 / MPP))
    results = Results.of(tmp_path.resolve(), bundle=load_bundle(SHIPPED[DEFAULT]).digest, step=32).folder(path)
    results.mkdir(parents=True)
    probability = np.full((35, 47), np.nan, np.float16)
    probability[5:29, 5:41] = 0.1
    probability[5:29:2, 5:41:2] = 0.9
    probability[20:24, 20:24] = 0.99
    SlideMap(probability, (32.0, 32.0), 32.0, MPP, "d", probability, 1, 0, 0, 0.0, "k").save(results)
    return path


def _stage(page: Page) -> tuple[float, float, float, float]:
    page.locator(".slide-stage").scroll_into_view_if_needed()
    box = page.locator(".slide-stage").bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def _settled(page: Page) -> None:
    """Wait until the slide stands still."""
    before = None
    while before != (now := page.evaluate(f"JSON.stringify({VIEWER}.viewer.viewport.getBounds(true))")):
        before = now
        page.wait_for_timeout(700)


def test_a_slide_is_moved_measured_and_clicked(page: Page, address: str, slide: Path) -> None:
    asked: list[str] = []
    sent: list[object] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.goto(f"{address}/slides?slides={slide.parent}&slide_name={slide.name}")
    expect(page.locator(".slide-osd canvas").first).to_be_visible()
    page.wait_for_function(f"{VIEWER}?.map && {VIEWER}.viewer.world.getItemCount()")
    _settled(page)

    # The map lies on the slide: a cell of 0.9 and its neighbour of 0.1, read under the pointer.
    left, top, width, height = _stage(page)
    for x, said in ((32 + 5.5 * 32, "p 0.90"), (32 + 6.5 * 32, "p 0.10"), (100, "no tissue")):
        at = page.evaluate(
            f"(() => {{ const v = {VIEWER}, p = v.viewer.world.getItemAt(0).imageToViewerElementCoordinates("
            f"new OpenSeadragon.Point({x}, {32 + 5.5 * 32})); return [p.x, p.y]; }})()"
        )
        page.mouse.move(left + at[0], top + at[1])
        expect(page.locator(".slide-under")).to_contain_text(said)

    # Opacity and threshold are the browser's own: nothing is sent, and the picture changes.
    page.wait_for_timeout(1500)
    drawn = "document.querySelector('.slide-drawing').toDataURL()"
    before, count = page.evaluate(drawn), len(sent)
    page.locator("[data-set=opacity]").fill("0.9")
    after = page.evaluate(drawn)
    page.locator("[data-set=threshold]").fill("0.95")
    assert len({before, after, page.evaluate(drawn)}) == 3
    assert len(sent) == count

    # Keys: 1 is one pixel to one, and the place stands in the address.
    page.locator(".slide-stage").focus()
    page.keyboard.press("1")
    _settled(page)
    expect(page).to_have_url(re.compile(r"at=800%2C600%2C1(&|$)|at=800,600,1(&|$)"))

    # The ruler: 100 pixels of 0.97 µm.
    page.keyboard.press("l")
    left, top, width, height = _stage(page)
    page.mouse.move(left + 200, top + 200)
    page.mouse.down()
    page.mouse.move(left + 300, top + 200, steps=5)
    page.mouse.up()
    page.mouse.move(left + 250, top + 260)  # the length stays as long as the line
    expect(page.locator(".slide-under")).to_have_text("97.0 µm")
    page.keyboard.press("l")

    # A click is exact to the pixel: 1:1, and 800, 600 is in the middle.
    page.mouse.click(left + round(width / 2) + 37, top + round(height / 2) - 21)
    found = page.get_by_text("Patch around")
    expect(found).to_be_visible()
    x, y = map(int, re.findall(r"\d+", found.inner_text())[:2])
    assert abs(x - 837) <= 1
    assert abs(y - 579) <= 1
    expect(page.get_by_text("Verdict:")).to_be_visible()

    # A step to a focus opens its patch, also with the keyboard on a button.
    page.locator("[data-do=fit]").focus()
    page.keyboard.press("n")
    expect(page.locator(".slide-focus")).to_contain_text("focus 1 of")
    focus = page.evaluate(f"{VIEWER}.data.foci[0]")
    expect(found).to_contain_text(f"Patch around {int(focus['x']):,}, {int(focus['y']):,} ")

    # The full screen hides what stands beside, so that the verdict of a clicked patch is said on the slide.
    page.locator("[data-do=full]").click()
    page.wait_for_function("document.fullscreenElement")
    page.locator(".slide-stage").click()
    expect(page.locator(".slide-message")).to_contain_text(re.compile(r"^(normal|tumour), probability [\d.]+%"))
    page.keyboard.press("f")

    foreign = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert foreign == []


def test_a_heading_sorts_and_a_row_opens(page: Page, address: str, slide: Path) -> None:
    page.goto(f"{address}/slides?slides={slide.parent}")
    box = page.get_by_test_id("stDataFrame").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 200, box["y"] + 15)
    page.wait_for_timeout(2500)
    expect(page).not_to_have_url(re.compile("slide_name"))
    page.mouse.click(box["x"] + 200, box["y"] + 15 + 60)
    expect(page).to_have_url(re.compile("slide_name=wide.png"))
