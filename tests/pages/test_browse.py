from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest


def words(app: AppTest) -> str:
    kinds = (app.header, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def button(app: AppTest, label: str):
    return next(each for each in app.button if each.label == label)


@pytest.fixture
def kaggle(tmp_path: Path) -> Path:
    """A Kaggle folder: three tumour and two normal patches, one label without a file, one file that is broken."""
    (tmp_path / "train").mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(rng.integers(0, 255, (96, 96, 3), dtype=np.uint8)).save(tmp_path / "train" / f"p{number}.tif")
    (tmp_path / "train" / "p1.tif").write_bytes(b"no image")
    rows = ["p0,1", "p1,1", "p2,1", "p3,0", "p4,0", "gone,0"]
    (tmp_path / "train_labels.csv").write_text("\n".join(["id,label", *rows]))
    return tmp_path


def test_the_first_visit_shows_the_marked_demo_and_needs_no_choice(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert [metric.value for metric in app.metric] == ["2,400", "973", "1,427"]
    assert "synthetic demo" in words(app)
    assert "Tumour in the centre: solid red outline** · 973 patches" in words(app)
    assert "No tumour in the centre: dashed green outline** · 1,427 patches" in words(app)
    assert "Research use only. Not for diagnosis." in words(app)


def test_pages_end_where_the_patches_end(app: AppTest) -> None:
    app.run()
    page = next(each for each in app.number_input if each.label == "Page")
    assert page.max == 16  # 1,427 normal patches in pages of 90
    page.set_value(16).run()
    assert not app.exception
    assert "No more patches on this page." in words(app)  # of tumour, whose 973 patches fill 11 pages
    assert button(app, "Next").disabled
    button(app, "Previous").click().run()
    assert next(each for each in app.number_input if each.label == "Page").value == 15


def test_a_smaller_choice_brings_the_page_back_into_range(app: AppTest) -> None:
    app.run()
    next(each for each in app.number_input if each.label == "Page").set_value(16).run()
    app.segmented_control(key="show").set_value("tumour").run()
    assert not app.exception
    assert next(each for each in app.number_input if each.label == "Page").value == 11


def test_shuffling_changes_the_order_and_can_be_undone(app: AppTest) -> None:
    app.run()
    button(app, "Shuffle").click().run()
    assert app.session_state["shuffle"] == 1
    button(app, "In order").click().run()
    assert app.session_state["shuffle"] == 0
    assert not app.exception


def test_a_folder_is_chosen_by_its_path_and_its_flaws_are_told(app: AppTest, kaggle: Path) -> None:
    app.query_params["data"] = str(kaggle)
    app.run()
    assert not app.exception
    assert [metric.value for metric in app.metric] == ["5", "3", "2"]
    assert "slides unknown" in words(app)
    assert "synthetic demo" not in words(app).replace("Synthetic", "")
    assert "1 left out" in [each.label for each in app.expander]
    assert "p1.tif is damaged or no image." in words(app)


def test_a_path_that_is_not_there_is_one_sentence(app: AppTest) -> None:
    app.query_params["data"] = "/no/such/folder"
    app.run()
    assert not app.exception
    assert "There is no folder /no/such/folder" in app.error[0].value
