"""Browse by mouse and keys."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser


def click(page: Page, element: Locator, x: float, y: float) -> None:
    """Press a place of a chart, given as shares of its width and height, once it is drawn and stays where it is."""
    expect(element.locator(".main-svg").first).to_be_visible()
    before, box = None, element.bounding_box()
    while box is None or box != before:
        page.wait_for_timeout(1500)
        before, box = box, element.bounding_box()
    page.mouse.move(box["x"] + x * box["width"] - 3, box["y"] + y * box["height"])
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.wait_for_timeout(300)
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def test_a_clicked_patch_opens_and_the_keys_go_on(page: Page, address: str) -> None:
    page.goto(address)
    grid = page.locator("[class*=st-key-picture]").first
    click(page, grid, 2.5 / 15, 1.5 / 6)  # third patch of the second row: the 18th
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("18 of 973 in the grid")).to_be_visible()
    expect(dialog.get_by_alt_text("Saliency map over the patch")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_text("19 of 973 in the grid")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page).not_to_have_url(re.compile("open="))


def test_the_grid_fits_a_narrow_window_and_leaves_no_gap(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1024, "height": 800})
    page.goto(address)
    grid = page.locator("[class*=st-key-picture]").first
    expect(grid).to_be_visible()
    expect(page.locator(".js-plotly-plot image")).to_have_count(2)
    box = grid.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 1024
    assert box["height"] == pytest.approx(box["width"] * 654 / 1644, abs=2)  # the shape of 6 × 15 patches
    assert page.evaluate("document.documentElement.scrollWidth") <= 1024


def test_a_clicked_bar_filters_and_its_chip_removes_it(page: Page, address: str) -> None:
    page.goto(f"{address}/?browse_view=Balance")
    click(page, page.locator("[class*=st-key-by_split]").first, 0.3, 0.7)
    expect(page).to_have_url(re.compile("in_part=train"))
    page.get_by_role("button", name="split train").click()
    expect(page).not_to_have_url(re.compile("in_part"))
