"""A public data set with patients and hospitals: opened, trained, evaluated and explained by mouse and keys."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from core.data import Dataset
from tests.browser.conftest import look_at

pytestmark = pytest.mark.browser

COUNT = 144


@pytest.fixture
def wilds(tmp_path: Path, small_demo: Dataset) -> Path:
    """WILDS' folder: 18 patients in 3 hospitals."""
    lines = [",patient,node,x_coord,y_coord,tumor,slide,center,split"]
    for number, (pixels, label) in enumerate(
        zip(small_demo.store.load(range(COUNT)).pixels, small_demo.labels(range(COUNT)), strict=True)
    ):
        patient = number % 18
        slide = f"patient_{patient:03d}_node_0"
        lines.append(f"{number},{patient},0,{number},0,{label},{patient},{patient % 3},0")
        path = tmp_path / "wilds" / "patches" / slide / f"patch_{slide}_x_{number}_y_0.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (tmp_path / "wilds" / "metadata.csv").write_text("\n".join(lines))
    return tmp_path / "wilds"


def test_one_hospital_is_left_out_of_training_and_measured(page: Page, address: str, wilds: Path) -> None:
    page.goto(address)
    dialog = look_at(page, wilds)
    expect(dialog.get_by_text(re.compile("WILDS camelyon17: 144 patches, .* 18 patients, 3 centres"))).to_be_visible()
    dialog.get_by_role("button", name="Open", exact=True).click()
    expect(dialog).to_have_count(0)
    expect(page).to_have_url(re.compile("data=.*wilds"))

    page.get_by_role("link", name="Train").click()
    page.get_by_text("New run", exact=True).first.click()
    page.get_by_label("Epochs", exact=True).first.fill("1")
    page.get_by_label("Epochs", exact=True).first.press("Tab")
    page.get_by_text("Expert settings").first.click()
    page.get_by_role("tab", name="Classes and split").click()
    page.get_by_role("combobox", name="Split", exact=True).click()
    page.get_by_role("option", name="One centre left out").click()
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("button", name="Use this model").click()
    expect(page).to_have_url(re.compile("model=Run"))

    page.get_by_role("link", name="Evaluate").click()
    expect(page.get_by_text("centre 0 held out")).to_be_visible()
    page.get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.get_by_text("6 patients").first).to_be_visible()

    page.get_by_role("link", name="Browse").click()
    page.locator(".patch").nth(3).click()
    expect(page.get_by_role("dialog").get_by_alt_text("Saliency map over the patch")).to_be_visible()
