"""Browse without a browser: the grid, its pages, the basket, and the patch that is open."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from core.data import Decision, decide, open_dataset
from pages._ui import cache
from pages._ui.browse import detail
from pages._ui.browse.columns import Fixed, PatchColumns
from tests.pages.driver import Page


def test_the_first_visit_shows_the_marked_demo_and_needs_no_choice(app: Page) -> None:
    app.run()
    assert not app.exception
    assert "synthetic demo" in app.words()
    assert "Tumour · 973\n" in app.words()
    assert "Normal · 1,427\n" in app.words()
    assert "Research use only. Not for diagnosis." in app.words()


@pytest.fixture
def _steps_as_buttons(monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(*, key: str, at: int, count: int, on_step: Callable[[int], None], **_more: object) -> None:
        for word, to in (("Previous", at - 1), ("Next", at + 1)):
            st.button(word, key=f"{key}-{word}", disabled=not 0 <= to < count, on_click=on_step, args=(to,))

    for module in ("grid", "detail"):
        monkeypatch.setattr(f"pages._ui.browse.{module}.steps", steps)


@pytest.mark.usefixtures("_steps_as_buttons")
def test_pages_end_where_the_patches_end(app: Page) -> None:
    app.run()
    page = app.one("number_input", "Page")
    assert page.max == 16  # 1,427 normal patches in pages of 90
    page.set_value(16).run()
    assert not app.exception
    assert "No more patches on this page." in app.words()  # of tumour, whose 973 patches fill 11 pages
    assert app.one("button", "Next").disabled
    app.click("Previous")
    assert app.one("number_input", "Page").value == 15


def test_a_smaller_choice_brings_the_page_back_into_range(app: Page) -> None:
    app.run()
    app.one("number_input", "Page").set_value(16).run()
    app.set("show", "tumour")
    assert app.one("number_input", "Page").value == 11


def test_shuffling_changes_the_order_and_can_be_undone(app: Page) -> None:
    app.run()
    app.click("Shuffle")
    assert app.query_params["shuffle"] == "1"
    app.click("Reset order")
    assert "shuffle" not in app.query_params
    assert not app.exception


def test_a_folder_is_chosen_by_its_path_and_its_flaws_are_listed(app: Page, kaggle: Path) -> None:
    app.open(data=str(kaggle))
    assert "synthetic demo" not in app.words().replace("Synthetic", "")
    assert "p1.tif: This is text, not an image" in app.words()
    app.set("browse_view", "Balance")
    assert list(app.metrics().values()) == ["5", "3", "2"]
    assert "The slides of these patches are unknown, so a random split is optimistic" in app.words()
    app.set("browse_view", "Quality")
    assert "1 excluded" in app.labels("expander")


def test_every_page_says_what_was_left_out(app: Page, kaggle: Path) -> None:
    with (kaggle / "train_labels.csv").open("a") as file:
        file.write("\n<b>gone</b>,1\n")
    os.rename(min((kaggle / "train").iterdir()), os.fsencode(kaggle / "train") + b"/caf\xe9.tif")
    for page in ("browse", "evaluate", "train", "predict"):
        app.open(page, data=str(kaggle))
        notices = [str(each.proto.body) for each in app.sidebar.get("html")]
        assert len([each for each in notices if "patches are used and 4 left out" in each]) == 1, page
        assert "caf\ufffd.tif" in notices[-1]
        assert "<b>" not in notices[-1]


def test_a_path_that_is_not_there_is_one_sentence(app: Page) -> None:
    app.open(data="/no/such/folder")
    assert "There is no folder /no/such/folder" in app.error[0].value


def test_patches_in_the_basket_are_excluded_and_put_back(app: Page, kaggle: Path, fresh_home: Path) -> None:
    app.open(data=str(kaggle), find="4")
    app.click("Add the 1 of this page")
    assert "1 selected" in app.words()
    app.set("exclude_reason", "smudged")
    app.click("Exclude 1")
    assert "selected**" not in app.words()
    assert open_dataset(kaggle).problems[-1].reason == "excluded: smudged"
    app.set("browse_view", "Balance")
    assert list(app.metrics().values()) == ["4", "3", "1"]
    app.set("browse_view", "Quality")
    app.click("Restore all 1")
    app.set("browse_view", "Balance")
    assert list(app.metrics().values()) == ["5", "3", "2"]


def test_a_pack_is_started_from_the_page_and_tracked(
    app: Page, kaggle: Path, fresh_home: Path, launched: list[list[str]]
) -> None:
    app.open(data=str(kaggle), browse_view="Quality")
    app.click("Pack")
    assert launched == [["pack", str(kaggle)]]
    assert "Cancel" in app.labels()
    app.click("Cancel")
    assert "Cancelling after the current patches" in app.words()


def test_a_whole_id_goes_to_its_page_and_opens_it(app: Page) -> None:
    app.run()
    app.set("find", "demo-s39-p000")
    assert app.query_params["open"] == "demo-s39-p000"
    assert "in the grid" in app.words()
    page = app.one("number_input", "Page").value
    label = int(open_dataset("demo").table.set_index("id")["label"]["demo-s39-p000"])
    rows = np.flatnonzero((open_dataset("demo").table["label"] == label).to_numpy())
    at = int(np.flatnonzero(open_dataset("demo").table["id"].iloc[rows] == "demo-s39-p000")[0])
    assert page == at // 90 + 1
    assert "Tumour · 973\n" in app.words()  # nothing was filtered
    app.set("find", "s39")
    assert "Tumour · 973\n" not in app.words()  # a part of an id filters


@pytest.mark.usefixtures("_steps_as_buttons")
def test_a_link_opens_a_patch_with_what_is_known_of_it(app: Page) -> None:
    app.open(open="demo-s00-p049")
    seen = app.words()
    assert "Label :red[**tumour**] · slide demo-s00 · test split" in seen
    assert "Model: :red[**tumour**], probability of tumour" in seen
    assert all(word in seen for word in ("**Haematoxylin**", "**Eosin**", "**Saliency**"))
    at = next(each for each in app.button if each.key == "detail-steps-Next")
    at.click().run()
    assert app.query_params["open"] == "demo-s00-p050"
    next(each for each in app.button if each.key == "detail-put").click().run()
    assert app.session_state["basket"]["demo"] == ["demo-s00-p050"]


def test_a_relabelled_patch_says_both_labels(app: Page, kaggle: Path, fresh_home: Path) -> None:
    decide(str(kaggle), {"p0": Decision("relabel", 0), "p3": Decision("relabel", 0)})  # p3 is normal already
    app.open(data=str(kaggle), open="p0")
    assert "Label :green[**normal**] by decision (tumour in the data)" in app.words()
    decided = open_dataset(kaggle)
    for dataset in (decided, decided.base):
        relabelled = {"p0": (1, 0)}
        known = PatchColumns(dataset, Fixed(dataset), None, {}, None, {}, relabelled)
        assert detail.summary(known, 0) == ["p0", "normal by decision (tumour in the data)"]
        assert detail.summary(known, 3) == ["p3", "normal"]
        assert known.label(0) == 0
        assert cache.relabelled(dataset) == {"p0": (1, 0)}


def test_a_link_to_a_patch_that_is_not_there_shows_the_grid(app: Page) -> None:
    app.open(open="nobody")
    assert "open" not in app.query_params
    assert "no patch with the id nobody" in app.toast[0].value


def test_what_stands_in_the_address_comes_back_from_another_page(app: Page) -> None:
    app.open("train", shuffle="3")
    app.query_params.pop("shuffle", None)
    app.switch_page("pages/browse.py").run()
    assert not app.exception
    assert app.query_params["shuffle"] == "3"
