"""Patches without a label are labelled one after the other, by whom is known, and the last one can be undone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.bundle import load_bundle
from core.bundle.shipped import DEFAULT, SHIPPED
from core.data import Decision, decide, decisions_of, open_dataset
from core.data.tags import change_tag, tags_of
from core.scoring.job import SubmissionJob
from core.storage import atomic
from pages._ui.browse import people
from tests.pages.driver import Page


@pytest.fixture
def folder(kaggle_folder: Callable[..., Path], fresh_home: Path) -> Path:
    return kaggle_folder({"a": 0, "b": 1}, test=("u", "v", "w"))


@pytest.fixture
def page(app: Page, folder: Path, fresh_home: Path) -> Page:
    """The view, for somebody who gave the name Anna before."""
    atomic.write_json(fresh_home / "people.json", ["Anna"])
    return app.open(data=str(folder), browse_view="Label")


def test_a_name_is_asked_for_first(app: Page, folder: Path) -> None:
    app.open(data=str(folder), browse_view="Label")
    assert "Give your name first" in app.words()
    assert "Tumour" not in app.labels()
    assert people.names() == []


def test_patches_are_labelled_in_order_and_the_work_is_resumed(page: Page, folder: Path) -> None:
    assert "u" in [each.value for each in page.code]
    page.click("Tumour")
    page.click("Skip")
    page.click("Normal")
    assert "All patches are labelled, skipped or excluded" in page.words()
    found = decisions_of(str(folder))
    assert found == {"u": Decision("relabel", 1), "v": Decision("skip"), "w": Decision("relabel", 0)}
    assert {each.by for each in found.values()} == {"Anna"}
    page.click("Ask again for the 1 skipped ones")
    assert "v" in [each.value for each in page.code]
    page.click("Undo")
    page.click("Undo")
    assert decisions_of(str(folder)) == {"u": Decision("relabel", 1)}
    assert page.labels().count("Tumour") == 1
    assert open_dataset(folder).class_counts() == (1, 2)


def test_the_most_uncertain_come_first_once_they_are_predicted(
    page: Page, folder: Path, launched: list[list[str]]
) -> None:
    page.set("label_order", "uncertain")
    assert "has not predicted these 3 patches yet" in page.words()
    page.click("Predict them")
    assert launched[0][:3] == ["submit", "--data", str(folder)]
    bundle = load_bundle(SHIPPED[DEFAULT])
    job = SubmissionJob.of([bundle.digest], open_dataset(folder).base)
    near = float(np.clip(bundle.card.threshold + 0.01, 0, 1))
    atomic.write_text(job.text_path, f"id,label\nu,0.999\nv,0.0001\nw,{near}\n")
    page.run()
    assert "w" in [each.value for each in page.code]


def test_a_set_with_all_labels_says_where_to_go(
    app: Page, kaggle_folder: Callable[..., Path], fresh_home: Path
) -> None:
    app.query_params["browse_view"] = "Label"
    app.open(data=str(kaggle_folder({"a": 0, "b": 1})))
    assert "Every patch of kaggle came with a label" in app.words()
    app.click("Show label errors")
    assert app.session_state["browse_view"] == "Label errors"


def test_two_keys_at_once_are_one_answer_about_the_patch_that_was_there(page: Page, folder: Path) -> None:
    late = page.one("button", "Normal")
    page.click("Tumour")
    late.click().run()
    assert decisions_of(str(folder)) == {"u": Decision("relabel", 1)}


def test_what_somebody_else_decided_since_stays(page: Page, folder: Path) -> None:
    page.click("Tumour")
    decide(str(folder), {"u": Decision("exclude")}, by="Ben")
    page.click("Undo")
    assert decisions_of(str(folder)) == {"u": Decision("exclude")}


def test_an_exclusion_and_a_tag_of_the_selection_are_undone(app: Page, folder: Path) -> None:
    change_tag(str(folder), ["a"], "fat", on=True, by="Ben")
    app.session_state["basket"] = {str(folder): ["a", "b"]}
    app.open(data=str(folder))
    app.set("tag_name", "fat")
    app.click("Add tag")
    assert tags_of(str(folder)) == {"fat": ("a", "b")}
    app.click("Undo")
    assert tags_of(str(folder)) == {"fat": ("a",)}  # which it had before
    app.click("As tumour")
    assert {each.label for each in decisions_of(str(folder)).values()} == {1}
    app.click("Undo")
    app.session_state["basket"] = {str(folder): ["a", "b"]}
    app.run()
    app.click("Exclude 2")
    assert set(decisions_of(str(folder))) == {"a", "b"}
    app.click("Undo")
    assert decisions_of(str(folder)) == {}
    assert "Undo" not in app.labels()


def test_a_name_is_remembered_where_one_person_works(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.session_state", {})
    assert people.name() == ""
    atomic.write_json(fresh_home / "people.json", ["Anna"])
    assert people.name() == "Anna"
    atomic.write_json(fresh_home / "people.json", ["Anna", "Ben"])
    assert people.name() == ""
