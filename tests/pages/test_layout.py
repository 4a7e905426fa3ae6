"""What every page has before it has anything else."""

import shutil
from pathlib import Path

import pytest

from core.bundle.shipped import DEFAULT, SHIPPED
from core.errors import DataError
from pages._ui import cache
from tests.pages.driver import Page, run_in


@pytest.mark.parametrize("name", ["browse", "train", "evaluate", "predict"])
def test_the_title_and_the_synthetic_badge_do_not_wait_for_the_data_set(
    app: Page, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_source: str) -> None:
        raise DataError("The disk is gone.")

    monkeypatch.setattr(cache, "dataset", gone)
    app.open(name)
    assert [each.value for each in app.header] == [name.capitalize()]
    # Predict is about patches of one's own.
    assert ("synthetic demo" in app.words()) == (name != "predict")


def test_data_of_ones_own_has_no_badge(app: Page, kaggle) -> None:
    app.open("browse", data=str(kaggle))
    assert [each.value for each in app.header] == ["Browse"]
    assert "synthetic demo" not in app.words()


def test_a_run_is_offered_by_the_name_that_people_gave_it(quiet_demo: Path, app: Page) -> None:
    run = run_in("finished")
    shutil.copy(SHIPPED[DEFAULT], run.bundle_path)
    run.rename("More seeds")
    app.open(model="Older name · a-finished-run")
    box = app.one("selectbox", "Model")
    assert box.value == "a-finished-run"
    assert "More seeds · a-finished-run" in box.options
