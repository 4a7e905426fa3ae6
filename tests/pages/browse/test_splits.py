from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.data import open_dataset
from core.data.split_file import apply_split, load_split
from core.storage.home import home


def words(app: AppTest) -> str:
    kinds = (app.header, app.markdown, app.caption, app.info, app.warning, app.error, app.success)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def button(app: AppTest, label: str):
    return next(each for each in app.button if each.label == label)


@pytest.fixture
def splits(app: AppTest) -> AppTest:
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


def test_the_demo_shows_its_own_division_and_that_its_slides_are_whole(splits: AppTest) -> None:
    assert not splits.exception
    assert splits.segmented_control(key="split_by").value == "official"
    assert "Every slide lies in one split only" in words(splits)
    table = splits.dataframe[0].value.set_index("split")
    assert table["patches"].to_dict() == {"train": 1680, "valid": 360, "test": 360}
    assert table["slides"].sum() == 40


def test_a_random_split_of_known_slides_is_called_optimistic(splits: AppTest) -> None:
    splits.segmented_control(key="split_by").set_value("patch").run()

    assert not splits.exception
    assert "40 of 40 slides lie in more than one split" in splits.warning[0].value
    splits.segmented_control(key="split_by").set_value("slide").run()
    assert not splits.warning


def test_folds_replace_the_test_share(splits: AppTest) -> None:
    splits.segmented_control(key="split_by").set_value("stratified").run()
    splits.selectbox(key="split_folds").set_value(5).run()
    splits.selectbox(key="split_fold").set_value(3).run()

    assert not splits.exception
    assert "fold 4 of 5 to test" in words(splits)
    table = splits.dataframe[0].value.set_index("split")
    assert table.loc["test", "patches"] == 480  # a fifth of 2,400
    assert not [each for each in splits.number_input if each.label == "Test, %"]


def test_a_saved_split_is_what_was_shown_and_can_be_trained_with(splits: AppTest) -> None:
    splits.segmented_control(key="split_by").set_value("stratified").run()
    splits.number_input(key="split_seed").set_value(11).run()
    splits.text_input[0].set_value("mine").run()
    button(splits, "Save split").click().run()

    assert not splits.exception
    path = home() / "splits" / "mine.json"
    saved, demo = load_split(path), open_dataset("demo")
    assert (saved.rule.kind, saved.rule.seed) == ("stratified", 11)
    parts = apply_split(saved, demo)
    table = splits.dataframe[0].value.set_index("split")
    assert {part: int((parts == part).sum()) for part in table.index} == table["patches"].to_dict()
    splits.query_params["runs_view"] = "New run"
    splits.switch_page("pages/train.py").run()
    assert "Saved: mine" in next(each for each in splits.selectbox if each.label == "Split").options


def test_a_saved_split_is_never_replaced_by_another(splits: AppTest) -> None:
    splits.segmented_control(key="split_by").set_value("patch").run()
    for seed, outcome in ((0, "Saved as"), (0, "Saved as"), (1, "There is another split named kept already")):
        splits.number_input(key="split_seed").set_value(seed).run()
        splits.text_input[0].set_value("kept").run()
        button(splits, "Save split").click().run()
        assert outcome in words(splits)
    assert load_split(home() / "splits" / "kept.json").rule.seed == 0


def test_a_name_that_is_a_path_is_refused(splits: AppTest, tmp_path: Path) -> None:
    splits.text_input[0].set_value("../../x").run()
    button(splits, "Save split").click().run()

    assert "letters, digits, dots, dashes and underscores only" in words(splits)
    assert not (home() / "splits" / "../../x.json").exists()


def test_unknown_slides_are_said_plainly_and_not_offered(app: AppTest, folder: Path) -> None:
    app.query_params.update({"browse_view": "Splits", "data": str(folder)})
    app.run()

    assert not app.exception
    assert app.segmented_control(key="split_by").options == ["Random", "Stratified", "By colour"]
    assert "are not known, so patches of one slide fall on both sides" in app.warning[0].value
    assert "slides" not in app.dataframe[0].value.columns


def test_a_data_set_without_labels_has_nothing_to_divide(app: AppTest, folder: Path) -> None:
    (folder / "train").rename(folder / "test")
    (folder / "train_labels.csv").write_text("id,label\n")
    app.query_params.update({"browse_view": "Splits", "data": str(folder)})
    app.run()

    assert not app.exception
    assert "nothing to divide" in words(app)
