from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from core.job import JobStatus
from core.storage.home import home
from pages._ui.browse.download import job_of


def button(app: AppTest, label: str):
    return next(each for each in app.button if each.label == label)


def test_both_sources_say_what_to_do_by_hand_and_what_went_wrong(app: AppTest) -> None:
    job_of("pcam", home() / "data" / "pcam").write(JobStatus("failed", message="There is no connection."))
    app.query_params["browse_view"] = "Get data"
    app.run()

    assert not app.exception
    text = "\n".join(str(each.value) for each in app.markdown)
    assert "https://zenodo.org/records/2546921" in text
    assert "kaggle.com/c/histopathologic-cancer-detection/data" in text
    assert [each.value for each in app.error] == ["The last attempt failed. There is no connection."]
    assert [each.label for each in app.button].count("Fetch") == 2


def test_what_is_there_opens_with_a_button(app: AppTest, kaggle_folder: Callable[..., Path]) -> None:
    folder = kaggle_folder({"a": 1, "b": 0})
    app.query_params["browse_view"] = "Get data"
    app.run()
    next(each for each in app.text_input if each.key == "get_folder-kaggle").set_value(str(folder)).run()

    assert not app.exception
    assert f"It is in {folder}." in [each.value for each in app.success]
    button(app, "Open it").click().run()
    assert not app.exception
    assert app.query_params["data"] in (str(folder), [str(folder)])
    assert app.segmented_control(key="browse_view").value == "Patches"
