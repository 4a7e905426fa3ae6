"""Train by mouse and keys."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from core.runs import Run, Status, TrainingConfig, create_run
from core.studies.trash import delete, empty_trash

pytestmark = pytest.mark.browser

ROW, HEAD = 35, 17
"""Height of a row of a table in pixels, and where the middle of its head is."""


@pytest.fixture
def two_runs(shared_home: Path) -> list[Run]:
    runs = []
    for number, auc in enumerate((0.9, 0.8)):
        run = create_run(TrainingConfig(epochs=1, seed=number), shared_home / "runs" / f"table-{number}")
        run.write_metrics(
            [{"epoch": 1, "train_loss": 0.5, "valid_loss": 0.4, "valid_auc": auc, "valid_accuracy": 0.8,
              "learning_rate": 1e-3}]
        )  # fmt: skip
        run.write_status(Status(state="stopped", epochs=1, steps=10, step=10))
        run.write_notes("for the table")
        runs.append(run)
    runs[0].rename("z, the better one")
    return runs


def chosen(page: Page) -> Locator:
    """The field that holds the run whose page is shown."""
    return page.get_by_role("combobox", name="Run", exact=True)


def test_ticked_runs_are_compared_and_a_button_opens_its_run(page: Page, address: str, two_runs: list[Run]) -> None:
    page.goto(f"{address}/train?runs_view=All+runs")
    page.get_by_label("Filter").fill("for the table")
    page.get_by_label("Filter").press("Enter")
    expect(page.get_by_text("2 of")).to_be_visible()

    def click(x: int, row: int) -> None:
        page.wait_for_timeout(1000)  # until what stands above it has its place
        box = page.get_by_test_id("stDataFrame").first.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + x, box["y"] + HEAD + row * ROW)

    for row in (1, 2):
        click(20, row)
        expect(page.get_by_text(f"{row} ticked")).to_be_visible()
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    expect(page).to_have_url(re.compile("compared=table-[01]&compared=table-[01]"))

    click(130, 0)  # sorted by name: the unnamed table-1 comes first
    click(70, 2)
    expect(chosen(page)).to_have_value("z, the better one · table-0")
    expect(page).to_have_url(re.compile("run=table-0"))
    page.go_back()  # one press leads to the list
    expect(page.get_by_role("radio", name="All runs")).to_be_checked()
    for run in two_runs:
        delete(run)
    empty_trash()


def test_the_keyboard_alone_starts_a_run_and_stops_it(page: Page, address: str) -> None:
    page.goto(f"{address}/train?runs_view=New+run")
    expect(page.get_by_role("button", name="Start training")).to_be_visible()

    def go_to(name: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("(document.activeElement.getAttribute('aria-label') || document.activeElement.innerText)"
                             ".trim()").endswith(name):  # fmt: skip
                return
        pytest.fail(f"no Tab leads to {name}")

    go_to("Epochs")
    page.keyboard.press("Control+a")
    page.keyboard.type("3")
    go_to("Name")
    page.keyboard.type("by keys")
    go_to("Start training")
    page.keyboard.press("Enter")
    expect(chosen(page)).to_have_value(re.compile("^by keys · "))
    expect(page.get_by_role("button", name="Stop").first).to_be_visible()
    page.wait_for_timeout(1000)
    go_to("Stop")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Stopped on request; it can be resumed.").first).to_be_visible(timeout=120_000)
