"""What an address may ask for: numbers that are none, and folders that nobody agreed to open."""

from pathlib import Path

import pytest

from pages._ui import query_params, state
from tests.pages.driver import Page

NO_NUMBERS = ("inf", "-inf", "nan", "1e999", "-5", "9" * 400, "\u00b2", "\u0663", "", "1.5", "0x10")


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number_in_an_address_changes_nothing(text: str, app: Page, quiet_demo: Path) -> None:
    wholes = dict.fromkeys(query_params.WHOLE, text)
    app.open("browse", **wholes, range=f"brightness:{text}:{text}")
    assert (app.get_by_key(state.PER_GRID).value, app.get_by_key(state.SIZE).value) == (90, 72)
    app.open("browse", browse_view="Splits")
    app.open("evaluate", threshold=text, look=f"bin:{text}")


def test_a_link_to_a_folder_asks_before_anything_in_it_is_read(app: Page, kaggle: Path, fresh_home: Path) -> None:
    app.query_params["data"] = str(kaggle)
    for page in ("browse", "evaluate", "predict", "train"):
        app.run() if page == "browse" else app.switch_page(f"pages/{page}.py").run()
        assert [code.value for code in app.code] == [str(kaggle)]
        assert "Open folder" in app.labels()
        assert "p0" not in app.words()
    app.switch_page("pages/browse.py").run()
    app.click("Open folder")
    assert "Open folder" not in app.labels()
    assert app.get_by_key(state.PER_GRID).value == 90
    app.switch_page("pages/evaluate.py").run()
    assert "Open folder" not in app.labels()
