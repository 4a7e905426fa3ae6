from collections.abc import Callable
from pathlib import Path

from core.job import JobStatus
from core.storage.home import home
from pages._ui.browse.download import job_of
from tests.pages.driver import Page


def test_both_sources_say_what_to_do_by_hand_and_what_went_wrong(app: Page) -> None:
    job_of("pcam", home() / "data" / "pcam").write(JobStatus("failed", message="There is no connection."))
    app.open(browse_view="Get data")
    text = "\n".join(str(each.value) for each in app.markdown)
    assert "https://zenodo.org/records/2546921" in text
    assert "kaggle.com/c/histopathologic-cancer-detection/data" in text
    assert [each.value for each in app.error] == ["The last attempt failed. There is no connection."]
    assert app.labels().count("Download") == 2


def test_what_is_there_opens_with_a_button(app: Page, kaggle_folder: Callable[..., Path]) -> None:
    folder = kaggle_folder({"a": 1, "b": 0})
    app.open(browse_view="Get data")
    next(each for each in app.text_input if each.key == "get_folder-kaggle").set_value(str(folder)).run()

    assert not app.exception
    assert f"The data set is in {folder}." in [each.value for each in app.success]
    app.click("Open")
    assert app.query_params["data"] in (str(folder), [str(folder)])
    assert app.segmented_control(key="browse_view").value == "Patches"
