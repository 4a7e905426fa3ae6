"""A folder with a folder for each class, through all pages: opened, trained on, evaluated and explained."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from core.data import Dataset
from tests.browser.conftest import look_at

pytestmark = pytest.mark.browser


@pytest.fixture
def folder(small_demo: Dataset, tmp_path: Path) -> Path:
    """50 patches of each class as PNG files; the small demo has 57 with tumour."""
    labels = small_demo.table["label"].to_numpy()
    for label, name in enumerate(("normal", "tumour")):
        (tmp_path / "lab" / name).mkdir(parents=True)
        rows = (labels == label).nonzero()[0][:50]
        for row, pixels in zip(rows, small_demo.store.load(rows).pixels, strict=True):
            Image.fromarray(pixels).save(tmp_path / "lab" / name / f"{row:04}.png")
    return tmp_path / "lab"


def test_a_class_folder_is_opened_trained_on_evaluated_and_explained(page: Page, address: str, folder: Path) -> None:
    page.goto(address)
    expect(page.locator(".patch").nth(100)).to_be_attached()  # until the page is drawn
    dialog = look_at(page, folder)
    expect(dialog.get_by_text(re.compile("100 patches"))).to_be_visible()
    dialog.get_by_role("button", name="Open", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("Tumour · 50"))).to_be_visible()

    page.get_by_role("link", name="Train").click()
    page.get_by_text("New run", exact=True).click()
    epochs = page.get_by_label("Epochs", exact=True).first
    epochs.fill("2")
    epochs.press("Tab")
    page.get_by_label("Name", exact=True).fill("of the lab")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("test patches that the run was not trained on")).to_be_visible()
    expect(page.get_by_text("Slides in training: yes, as far as is known").first).to_be_visible()
    page.get_by_role("button", name="Use this model").click()
    expect(page.get_by_text("Evaluate and Predict now use “of the lab”.")).to_be_visible()

    page.get_by_role("link", name="Evaluate").click()
    page.get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.get_by_text(re.compile("of the lab on lab: test split"))).to_be_visible()
    expect(page.get_by_text("Slides in training: yes, as far as is known").first).to_be_visible()
    page.locator(".patch").first.click()
    expect(page.get_by_role("dialog").get_by_alt_text("Saliency map over the patch")).to_be_visible()
