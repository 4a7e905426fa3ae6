from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import open_dataset
from core.data.split_file import apply_split, load_split
from core.storage.home import home
from pages._ui.browse import columns
from tests.pages.driver import Page


@pytest.fixture
def splits(app: Page) -> Page:
    app.query_params["browse_view"] = "Splits"
    return app.run()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Kaggle folder of 60 patches whose slides are not known."""
    (tmp_path / "train").mkdir()
    rng = np.random.default_rng(0)
    for number in range(60):
        Image.fromarray(rng.integers(0, 255, (96, 96, 3), dtype=np.uint8)).save(tmp_path / "train" / f"p{number}.tif")
    lines = [f"p{number},{number % 2}" for number in range(60)]
    (tmp_path / "train_labels.csv").write_text("\n".join(["id,label", *lines]))
    return tmp_path


def test_the_demo_shows_its_own_division_and_that_its_slides_are_whole(splits: Page) -> None:
    assert not splits.exception
    assert splits.segmented_control(key="split_by").value == "official"
    assert "Every slide lies in one split only" in splits.words()
    table = splits.dataframe[0].value.set_index("split")
    assert table["patches"].to_dict() == {"train": 1680, "validation": 360, "test": 360}
    assert table["slides"].sum() == 40


def test_a_random_split_of_known_slides_is_called_optimistic(splits: Page) -> None:
    splits.set("split_by", "patch")
    assert "40 of 40 slides lie in more than one split" in splits.warning[0].value
    splits.set("split_by", "slide")
    assert not splits.warning


def test_folds_replace_the_test_share(splits: Page) -> None:
    splits.set("split_by", "stratified")
    splits.set("split_folds", 5)
    splits.set("split_fold", 3)
    assert "fold 4 of 5 to test" in splits.words()
    table = splits.dataframe[0].value.set_index("split")
    assert table.loc["test", "patches"] == 480  # a fifth of 2,400
    assert not [each for each in splits.number_input if each.label == "Test, %"]


def test_a_saved_split_is_what_was_shown_and_can_be_trained_with(splits: Page) -> None:
    splits.set("split_by", "stratified")
    splits.set("split_seed", 11)
    splits.text_input[0].set_value("mine").run()
    splits.click("Save split")
    path = home() / "splits" / "mine.json"
    saved, demo = load_split(path), open_dataset("demo")
    assert (saved.rule.kind, saved.rule.seed) == ("stratified", 11)
    parts = apply_split(saved, demo)
    table = splits.dataframe[0].value.set_index("split")
    counts = {part: int((parts == name).sum()) for name, part in columns.SPLIT_NAMES.items() if name}
    assert counts == table["patches"].to_dict()
    splits.query_params["runs_view"] = "New run"
    splits.switch_page("pages/train.py").run()
    assert "Saved: mine" in splits.one("selectbox", "Split").options


def test_a_saved_split_is_never_replaced_by_another(splits: Page) -> None:
    splits.set("split_by", "patch")
    for seed, outcome in ((0, "Saved as"), (0, "Saved as"), (1, "There is another split named kept already")):
        splits.set("split_seed", seed)
        splits.text_input[0].set_value("kept").run()
        splits.click("Save split")
        assert outcome in splits.words()
    assert load_split(home() / "splits" / "kept.json").rule.seed == 0


def test_a_name_that_is_a_path_is_refused(splits: Page, tmp_path: Path) -> None:
    splits.text_input[0].set_value("../../x").run()
    splits.click("Save split")

    assert "letters, digits, dots, dashes and underscores only" in splits.words()
    assert not (home() / "splits" / "../../x.json").exists()


def test_unknown_slides_are_said_plainly_and_not_offered(
    app: Page, kaggle_folder: Callable[..., Path], fresh_home: Path
) -> None:
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(60)})
    app.open(browse_view="Splits", data=str(folder))
    assert app.segmented_control(key="split_by").options == ["Random", "Stratified", "By colour"]
    assert any("are not known, so patches of one slide fall on both sides" in each.value for each in app.warning)
    assert "slides" not in app.dataframe[0].value.columns


def test_a_data_set_without_labels_has_nothing_to_divide(app: Page, folder: Path) -> None:
    (folder / "train").rename(folder / "test")
    (folder / "train_labels.csv").write_text("id,label\n")
    app.open(browse_view="Splits", data=str(folder))
    assert "nothing to divide" in app.words()
