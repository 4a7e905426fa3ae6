"""Browse by mouse and keys."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from core.data import decisions_of

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


def _shown(page: Page) -> Locator:
    """The patches of both grids, once they are drawn."""
    patches = page.locator(".patch")
    expect(patches.nth(170)).to_be_attached()
    return patches


def _focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') || ''"))


def test_a_clicked_patch_opens_and_the_keys_go_on(page: Page, address: str) -> None:
    page.goto(address)
    _shown(page).nth(17).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("18 of 973 in the grid")).to_be_visible()
    expect(dialog.get_by_alt_text("Saliency map over the patch")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_text("19 of 973 in the grid")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page).not_to_have_url(re.compile("open="))


def test_no_press_is_lost_while_the_page_is_drawn(page: Page, address: str) -> None:
    page.goto(address)
    _shown(page)
    following = page.get_by_role("button", name="Next")
    expect(following).to_be_enabled()
    for _ in range(4):
        following.evaluate("button => button.click()")  # at once, without waiting for the page
    expect(page).to_have_url(re.compile("page=5"))
    page.get_by_role("button", name="Previous").click()
    expect(page).to_have_url(re.compile("page=4"))
    page.get_by_label("Page", exact=True).fill("9")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("page=9"))
    page.get_by_role("button", name="Previous").click()
    expect(page).to_have_url(re.compile("page=8"))
    page.get_by_label("Page", exact=True).fill("3")  # and left by the click
    following.click()
    expect(page).to_have_url(re.compile("page=4"))

    _shown(page).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("271 of 973 in the grid")).to_be_visible()
    expect(dialog.get_by_role("button", name="Next")).to_be_enabled()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(dialog.get_by_text("276 of 973 in the grid")).to_be_visible()


def test_the_arrow_keys_turn_no_page_behind_a_dialog(page: Page, address: str) -> None:
    page.goto(address)
    _shown(page)
    expect(page.get_by_role("button", name="Next")).to_be_enabled()
    page.evaluate("document.body.append(Object.assign(document.createElement('div'), {role: 'dialog', id: 'above'}))")
    page.keyboard.press("ArrowRight")
    page.evaluate("document.getElementById('above').remove()")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("page=3"))
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile("page=2"))


@pytest.mark.parametrize("width", [1440, 1024])
def test_the_controls_above_the_grid_stand_in_straight_rows(page: Page, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    _shown(page)
    places = page.locator(".st-key-controls :is(button, [data-testid=stNumberInputContainer])").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect()).filter(box => box.height)"
        ".map(box => [box.top, box.bottom].map(Math.round))"
    )
    assert len(places) > 10
    assert len({tuple(place) for place in places}) == (2 if width == 1440 else 3)  # one place for each row


@pytest.mark.parametrize("width", [1440, 390])
def test_the_scale_bar_is_as_long_as_it_says_and_can_be_read(page: Page, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for path, alt in (("?open=demo-s00-p048", "The patch, enlarged five times"),
                      ("predict?patch=demo-s00-p048", "The patch, enlarged four times")):  # fmt: skip
        page.goto(f"{address}/{path}")
        picture = page.get_by_alt_text(alt)
        expect(picture).to_be_visible()
        bar, letters = picture.evaluate(
            "each => { const style = getComputedStyle(each.parentElement, '::after');"
            " return [parseFloat(style.width) / each.getBoundingClientRect().width, parseFloat(style.fontSize)]; }"
        )
        assert bar == pytest.approx(20 / (96 * 0.97), rel=0.01)
        assert letters >= 11


def test_the_keyboard_alone_selects_opens_relabels_and_goes_on_to_a_prediction(page: Page, address: str) -> None:
    page.goto(address)
    patches = _shown(page)
    patches.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_text("2 selected")).to_be_visible()
    expect(page.locator('.patch[aria-selected="true"]')).to_have_count(2)
    assert "selected" in _focused(page)
    relabelled = _focused(page).split(",")[0]

    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("3 of 973 in the grid")).to_be_visible()
    expect(dialog.get_by_text("probability of tumour")).to_be_visible()  # the prediction
    page.keyboard.press("l")
    expect(dialog.get_by_text("relabelled as normal")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.wait_for_timeout(2000)
    # The relabelled patch has gone to the other grid; the keyboard is where it was.
    assert _focused(page) == page.locator(".patch").nth(2).get_attribute("aria-label")

    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("page=2"))

    page.goto(f"{address}/?open={relabelled}")  # the other tests share this home folder
    dialog.get_by_role("button", name="Revert").click()
    expect(dialog.get_by_text("relabelled as normal")).to_have_count(0)


def test_both_classes_are_in_sight_and_nothing_is_cut_off(page: Page, address: str) -> None:
    page.goto(address)
    _shown(page)
    for grid in page.get_by_role("listbox").all():
        box = grid.locator(".patch").first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 500
    for width, height in ((390, 844), (1024, 800), (1920, 1000)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = [patch.bounding_box() for patch in page.locator(".patch").all()[:20]]
        assert all(box is not None and box["x"] + box["width"] <= width and box["width"] >= 44 for box in boxes)


def test_a_clicked_bar_filters_and_its_chip_removes_it(page: Page, address: str) -> None:
    page.goto(f"{address}/?browse_view=Balance")
    click(page, page.locator("[class*=st-key-by_split]").first, 0.3, 0.7)
    expect(page).to_have_url(re.compile("in_part=train"))
    page.get_by_role("button", name="split train").click()
    expect(page).not_to_have_url(re.compile("in_part"))


def test_patches_are_labelled_by_keys_alone(page: Page, address: str, kaggle_folder: Callable[..., Path]) -> None:
    folder = kaggle_folder({"a": 0, "b": 1}, test=("u", "v", "w"))
    page.goto(f"{address}/?browse_view=Label&data={folder}")
    page.get_by_role("button", name="Open folder").click()
    name = page.get_by_role("combobox", name="Your name")
    name.fill("Anna")
    page.keyboard.press("Enter")
    patch = page.get_by_alt_text(re.compile("The patch ., enlarged"))
    expect(patch).to_have_attribute("alt", "The patch u, enlarged")
    page.evaluate("document.activeElement.blur()")  # keys typed into a field are text
    for key, following in (("t", "v"), ("s", "w"), ("u", "v"), ("n", "w")):
        page.keyboard.press(key)
        expect(patch).to_have_attribute("alt", f"The patch {following}, enlarged")
    expect(page.get_by_text("2 of 3 labelled, 0 skipped, 0 excluded")).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_text("All patches are labelled, skipped or excluded.")).to_be_visible()
    page.keyboard.press("u")
    expect(patch).to_have_attribute("alt", "The patch w, enlarged")
    assert [(each.label, each.by) for each in decisions_of(str(folder)).values()] == [(1, "Anna"), (0, "Anna")]


def test_a_view_is_saved_opened_by_its_link_and_deleted(page: Page, address: str) -> None:
    page.goto(f"{address}/?in_part=train&page=2&show=Normal")
    expect(page.get_by_role("button", name="split train")).to_be_visible()
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Name of this view").fill("normal ones")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Save this view").click()
    expect(page.get_by_text("Saved the view normal ones.")).to_be_visible()
    page.goto(address)
    _shown(page)
    page.get_by_role("button", name="Views").click()
    page.get_by_role("link", name="normal ones").click()
    expect(page.get_by_role("button", name="split train")).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("Normal · [0-9]{3}$"))).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?in_part=train&page=2&show=Normal$"))
    expect(page.locator(".st-key-page input")).to_have_value("2")
    page.goto(address)
    _shown(page)
    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name="normal ones")).to_have_count(0)


def test_back_brings_filter_and_page_back(page: Page, address: str) -> None:
    page.goto(f"{address}/?show=Normal&page=3")
    expect(page.get_by_text("Normal · 1,427")).to_be_visible()
    page.get_by_role("link", name="Evaluate").first.click()
    expect(page.get_by_role("heading", name="Evaluate")).to_be_visible()
    expect(page.locator(".patch")).to_have_count(0)
    page.go_back()
    expect(page.get_by_text("Normal · 1,427")).to_be_visible()
    expect(page.locator(".st-key-page input")).to_have_value("3")
    expect(page.get_by_text("Tumour · 973")).to_have_count(0)
    assert page.evaluate("new URLSearchParams(location.search).get('page')") == "3"


def test_a_click_on_a_page_that_is_being_left_does_no_harm(page: Page, address: str) -> None:
    page.goto(address)
    _shown(page)
    train = page.get_by_role("link", name="Train")
    train.evaluate("link => { link.click(); document.querySelector('.patch').click() }")
    # One of the two pages: it depends on which click is answered last. An error would stand in its place.
    expect(page.get_by_role("heading", name=re.compile("^(Browse|Train)$"))).to_be_visible()
    expect(page.get_by_text("KeyError")).to_have_count(0)
