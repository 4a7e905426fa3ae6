"""What a newcomer does: look, upload a patch, read the answer, start a run and see it end."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from core.data import Dataset

pytestmark = pytest.mark.browser


def tiff(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "TIFF")
    return buffer.getvalue()


def test_a_fresh_server_with_a_page_in_its_address_shows_it_in_its_frame(page: Page, address: str) -> None:
    page.goto(f"{address}/train")  # the first request that this server gets
    page.get_by_text("New run", exact=True).click()  # other tests may have left runs
    expect(page.get_by_role("button", name="Start training")).to_be_visible()
    expect(page.get_by_role("link", name="Predict")).to_be_visible()
    expect(page.get_by_text("Research use only. Not for diagnosis.").first).to_be_visible()
    expect(page.get_by_text("streamlit app")).to_have_count(0)


def test_browse_draws_both_grids(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", name=re.compile("Tumour · 97"))).to_be_visible()
    expect(page.locator(".patch")).to_have_count(180)
    expect(page.get_by_text("Research use only. Not for diagnosis.").first).to_be_visible()


def test_an_uploaded_patch_gets_a_probability_and_an_overlay(page: Page, address: str, small_demo: Dataset) -> None:
    page.goto(f"{address}/predict")
    expect(page.get_by_text("Probability of tumour in the centre")).to_be_visible()
    pixels = small_demo.store.load([5]).pixels[0]
    page.locator("input[type=file]").first.set_input_files(
        {"name": "mine.tif", "mimeType": "image/tiff", "buffer": tiff(pixels)}
    )
    expect(page.get_by_text("mine.tif").last).to_be_visible()
    expect(page.get_by_text(re.compile(r"^\d+\.\d%$")).first).to_be_visible()
    expect(page.get_by_alt_text("Grad-CAM map").first).to_be_visible()


def test_a_click_on_an_example_predicts_it_and_stands_in_the_address(page: Page, address: str) -> None:
    page.goto(f"{address}/predict")
    expect(page.get_by_alt_text("Grad-CAM map").first).to_be_visible()
    example = page.locator(".patch").nth(3)
    name = str(example.get_attribute("aria-label")).split(",")[0]
    example.click()
    expect(page.get_by_text(f"{name} · 96×96 pixels")).to_be_visible()
    expect(page).to_have_url(re.compile(f"patch={name}"))


def test_a_file_that_is_no_image_gets_a_sentence(page: Page, address: str) -> None:
    page.goto(f"{address}/predict")
    expect(page.get_by_text("Probability of tumour in the centre")).to_be_visible()
    page.locator("input[type=file]").first.set_input_files(
        {"name": "notes.png", "mimeType": "image/png", "buffer": b"these are words"}
    )
    expect(page.get_by_test_id("stAlert").first).to_contain_text("notes.png")


def test_a_run_of_one_epoch_is_started_and_seen_to_end(page: Page, address: str) -> None:
    page.goto(f"{address}/train")
    page.get_by_text("New run", exact=True).click()
    page.get_by_label("Epochs", exact=True).first.fill("1")
    page.get_by_label("Epochs", exact=True).first.press("Tab")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("button", name="Stop").first).to_be_visible()
    expect(page.get_by_text("test patches that the run was not trained on")).to_be_visible(timeout=180_000)
    page.get_by_role("button", name="Use this model").click()
    expect(page).to_have_url(re.compile("model=Run"))
