import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.data import open_dataset
from core.data.check import findings, load_check, make_check
from core.job import Job, JobStatus
from pages._ui.browse_filter import ordered


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
    assert app.query_params["shuffle"] == "1"
    button(app, "In order").click().run()
    assert "shuffle" not in app.query_params
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


def test_a_checked_folder_is_filtered_by_its_flags_and_the_address_holds_it(
    app: AppTest, kaggle: Path, fresh_home: Path
) -> None:
    copy = Image.open(kaggle / "train" / "p0.tif")
    copy.save(kaggle / "train" / "p3.tif")
    make_check(str(kaggle))
    app.query_params["data"] = str(kaggle)
    app.query_params["flag"] = "conflict"
    app.run()
    assert not app.exception
    assert "solid red outline** · 1 patches" in words(app)  # p0 and p3 are the same with other labels
    assert "dashed green outline** · 1 patches" in words(app)
    assert "Pack and check · not packed · checked: 3 patches flagged" in [each.label for each in app.expander]
    app.selectbox(key="flag").set_value("unreadable").run()
    assert "solid red outline** · 1 patches" in words(app)
    assert "None that fit." in words(app)


def test_an_id_is_found(app: AppTest, kaggle: Path, fresh_home: Path) -> None:
    app.query_params["data"] = str(kaggle)
    app.query_params["find"] = "p4"
    app.run()
    assert not app.exception
    assert "solid red outline** · 0 patches" in words(app)
    assert "dashed green outline** · 1 patches" in words(app)


def test_sorting_by_a_measure(app: AppTest, kaggle: Path, fresh_home: Path) -> None:
    for number, level in enumerate((50, 200, 100)):
        Image.new("RGB", (96, 96), (level,) * 3).save(kaggle / "train" / f"p{(0, 2, 3)[number]}.tif")
    make_check(str(kaggle))
    app.query_params["data"] = str(kaggle)
    app.query_params["sort"] = "brightness, high first"
    app.run()
    assert not app.exception
    assert app.selectbox(key="sort").value == "brightness, high first"
    dataset = open_dataset(kaggle)
    check = load_check(dataset)
    rows = ordered(dataset, findings(check, dataset), np.array([0, 2, 3]), "brightness, high first")
    assert rows.tolist() == [2, 3, 0]
    assert ordered(dataset, None, np.array([3, 0, 2]), "id").tolist() == [0, 2, 3]


def test_patches_in_the_basket_are_excluded_and_put_back(app: AppTest, kaggle: Path, fresh_home: Path) -> None:
    app.query_params["data"] = str(kaggle)
    app.query_params["find"] = "p4"
    app.run()
    button(app, "Put these 1 into the basket").click().run()
    assert "1 in the basket" in words(app)
    app.text_input(key="exclude_reason").set_value("smudged").run()
    button(app, "Exclude").click().run()
    assert not app.exception
    assert "in the basket" not in words(app)
    assert open_dataset(kaggle).problems[-1].reason == "excluded: smudged"
    assert [metric.value for metric in app.metric] == ["4", "3", "1"]
    button(app, "Put all 1 back").click().run()
    assert [metric.value for metric in app.metric] == ["5", "3", "2"]


def test_a_pack_is_started_from_the_page_and_watched(
    app: AppTest, kaggle: Path, fresh_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    def launch(self: Job, command: list[str]) -> None:
        started.append(list(command))
        self.record_process(os.getpid())
        self.write(JobStatus("running", 0.5, seconds_left=2.0))

    monkeypatch.setattr(Job, "launch", launch)
    app.query_params["data"] = str(kaggle)
    app.run()
    button(app, "Pack").click().run()
    assert not app.exception
    assert started == [["pack", str(kaggle)]]
    assert "Cancel" in [each.label for each in app.button]
    button(app, "Cancel").click().run()
    assert "Cancelling after the patches in work" in words(app)
