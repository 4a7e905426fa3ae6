"""Opening a data set from the sidebar: what is recognised, what is asked, and what is remembered."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import open_dataset
from core.data.choices import Choices, choices_of, remember
from core.data.recent import recent
from pages._ui import state
from tests.pages.driver import Page


@pytest.fixture
def tissues(tmp_path: Path, fresh_home: Path) -> Path:
    """Class folders whose names do not say which is tumour, 128×128."""
    for number, name in enumerate(("LYM", "NORM", "TUM") * 3):
        path = tmp_path / "set" / name / f"{name}{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((128, 128, 3), 40 * number % 255, np.uint8)).save(path)
    return tmp_path / "set"


def test_a_data_set_that_needs_a_choice_asks_in_place_of_the_page(tissues: Path) -> None:
    page = Page().open(data=str(tissues))

    assert "Its classes are LYM" in page.words().replace("\\", "")
    assert page.get_by_key(f"class-{tissues}-TUM").value == "tumour"
    page.set(f"class-{tissues}-LYM", "left out")
    page.click("Go on")

    assert choices_of(str(tissues)).tumour == ("TUM",)
    assert choices_of(str(tissues)).normal == ("NORM",)
    assert "A patch is 96×96" in page.words()  # the pictures are larger, which is asked next
    assert open_dataset(tissues).class_counts() == (3, 3)
    assert recent()[0].source == str(tissues)
    assert recent()[0].found.startswith("class folders: 6 patches, 3 normal, 3 tumour")


def test_the_dialog_shows_what_is_recognised_and_the_three_ways_of_sizes(tissues: Path) -> None:
    (tissues / "LYM" / "x").mkdir()
    page = Page().open()
    page.session_state[state.OPEN_AT] = str(tissues.parent)
    page.click("Open a folder …")

    assert page.session_state[state.OPEN_AT] == str(tissues.parent)


def test_pictures_of_other_sizes_are_asked_about_with_pictures(tissues: Path) -> None:
    remember(str(tissues), Choices(tumour=("TUM",), normal=("LYM", "NORM")))
    page = Page().open(data=str(tissues))

    assert "Pictures of 128×128 pixels. A patch is 96×96." in page.words()
    assert "its µm per pixel are not known" in page.words().replace("\\", "")
    page.set(f"open-mpp-{tissues}", 0.97)
    page.set(f"open-size-{tissues}", "crop")
    page.click("Go on")

    assert choices_of(str(tissues)) == Choices(("TUM",), ("LYM", "NORM"), "crop", 0.97)
    assert "A patch is 96×96" not in page.words()
    assert open_dataset(tissues).store.load([0]).notes[0] == (
        "Centre taken at its own scale: 96×96 of 128×128 pixels became 96×96.",
    )
