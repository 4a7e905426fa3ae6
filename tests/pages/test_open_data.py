"""Opening a data set from the sidebar: what is recognised, what is asked, and what is remembered."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import open_dataset
from core.data.choices import Choices, choices_of, remember
from core.data.found import remarks
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
    page.set(f"class-{tissues}-NORM", "tumour")
    assert "No class is normal, so that no model can be trained or measured on it." in page.words()
    page.set(f"class-{tissues}-NORM", "left out")
    page.set(f"class-{tissues}-TUM", "left out")
    assert "Choose at least one class that is tumour or normal." in page.words()
    assert page.one("button", "Go on").disabled
    page.set(f"class-{tissues}-TUM", "tumour")
    page.set(f"class-{tissues}-NORM", "normal")
    page.click("Go on")

    assert choices_of(str(tissues)).tumour == ("TUM",)
    assert choices_of(str(tissues)).normal == ("NORM",)
    assert "A patch is 96×96" in page.words()  # the pictures are larger, which is asked next
    assert open_dataset(tissues).class_counts() == (3, 3)
    assert recent()[0].source == str(tissues)
    assert recent()[0].found.startswith("class folders: 6 patches, 3 normal, 3 tumour")


def test_the_dialog_shows_what_is_recognised_and_the_three_ways_of_sizes(tissues: Path, quiet_demo: Path) -> None:
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


def test_files_of_another_computer_are_asked_for_and_found(tmp_path: Path, fresh_home: Path) -> None:
    for number in range(4):
        path = tmp_path / "pictures" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((96, 96, 3), 40 * number, np.uint8)).save(path)
    (tmp_path / "set").mkdir()
    lines = [f"/home/anna/tiles/{number}.png,{number % 2}" for number in range(4)]
    (tmp_path / "set" / "list.csv").write_text("\n".join(["path,label", *lines]))

    page = Page().open(data=str(tmp_path / "set"))
    assert "such as /home/anna/tiles/0.png. Give the folder that holds them below." in page.words().replace("\\", "")
    page.set("open-root", str(tmp_path / "pictures"))
    page.click("Go on")

    assert open_dataset(tmp_path / "set").class_counts() == (2, 2)
    assert "Tumour · 2" in page.words()


def test_what_cannot_be_used_is_said_before_it_is_opened(tmp_path: Path, fresh_home: Path) -> None:
    for name in ("normal/a.png", "normal/b.png"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((96, 96, 3), 90, np.uint8)).save(path)
    (tmp_path / "set" / "normal" / "c.png").write_text("no picture")
    (tmp_path / "set" / "tumour").mkdir()
    words = "\n".join(remarks(open_dataset(tmp_path / "set")))

    assert "tumour/: is a class without images." in words
    assert "1 of the 3 pictures looked at cannot be used. c.png: This is text, not an image" in words


def test_nothing_is_read_before_a_folder_was_chosen(
    tissues: Path, quiet_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tissues))
    page = Page().open()
    page.click("Open a folder …")

    assert str(tissues) in [each.value for each in page.text_input]
    assert "Its classes are" not in page.words()
