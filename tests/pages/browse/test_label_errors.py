from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.bundle.shipped import DEFAULT, SHIPPED
from core.data import Decision, decide, decisions_of, open_dataset
from core.features.label_errors import IMAGENET_KEY, LabelIssues, save_label_issues
from core.studies.study import studies_home
from pages._ui.browse.label_errors import IMAGENET
from tests.pages.driver import Page

LABELS = {"a": 0, "b": 0, "c": 0, "d": 0, "e": 1, "f": 1, "g": 1, "h": 1}
TUMOUR = [0.1, 0.2, 0.3, 0.9, 0.8, 0.7, 0.9, 0.1]  # the most suspicious: d and h, then c and f


@pytest.fixture
def folder(kaggle_folder: Callable[..., Path], fresh_home: Path) -> Path:
    return kaggle_folder(LABELS)


@pytest.fixture
def page(app: Page, folder: Path) -> Page:
    """Label errors of a small folder, by features that know none of its labels; not run yet."""
    app.query_params["data"] = str(folder)
    app.session_state["known_data"] = ["demo", str(folder)]
    app.query_params["browse_view"] = "Label errors"
    app.query_params["errors_by"] = IMAGENET
    return app


@pytest.fixture
def ranked(page: Page, folder: Path) -> Page:
    """The same with a stored ranking."""
    dataset = open_dataset(folder)
    numbers, tumour = np.array(list(LABELS.values())), np.array(TUMOUR)
    label_issues = LabelIssues(tuple(LABELS), numbers, tumour, np.arange(8) % 2, "linear probe", dataset.fingerprint())
    save_label_issues(label_issues, dataset, IMAGENET_KEY)
    return page


def test_a_ranking_is_started_from_the_page_and_tracked(page: Page, folder: Path, launched: list[list[str]]) -> None:
    page.run()
    assert not page.exception
    assert "8 labelled patches will be ranked" in page.words()
    page.click("Rank the labels")
    assert launched == [["label-errors", "--data", str(folder), "--probe", "--imagenet", "--device", "auto"]]
    assert "Cancel" in page.labels()
    page.set("errors_by", "Quick probe: the sidebar's model")
    assert "was trained on labels like these" in page.words()
    page.click("Rank the labels")
    assert launched[1][:5] == ["label-errors", "--data", str(folder), "--probe", "--bundle"]
    assert launched[1][5] == str(SHIPPED[DEFAULT])


def test_label_issues_are_listed_and_filtered_by_label(ranked: Page) -> None:
    ranked.run()
    assert not ranked.exception
    assert "An estimated **2 of 8 labels** (25.0%) are wrong." in ranked.words()
    assert "8 patches by rank" in ranked.words()
    assert "Nothing is decided yet" in ranked.words()
    assert "Rank again" not in ranked.labels()
    ranked.set("errors_class", "tumour")
    assert "4 patches by rank" in ranked.words()


def test_a_damaged_study_hides_no_label_issues(ranked: Page) -> None:
    broken = studies_home() / "broken"
    broken.mkdir(parents=True)
    (broken / "study.json").write_text("{}")
    (broken / "predictions.csv").write_text("id")
    ranked.run()
    assert "8 patches by rank" in ranked.words()
    assert not ranked.error


def test_a_patch_is_decided_about_and_the_decision_undone(ranked: Page, folder: Path) -> None:
    ranked.open(open="d")
    assert {"Relabel as tumour", "Exclude", "Confirm label"} <= set(ranked.labels())
    ranked.click("Relabel as tumour")
    assert decisions_of(str(folder)) == {"d": Decision("relabel", 1)}
    assert "**Your decision**: relabelled as tumour" in ranked.words()
    assert "Relabel as tumour" in ranked.labels()  # the label that the data came with decides which is the other one
    assert "Tumour **4 → 5**" in ranked.words()
    assert "Normal **4 → 3**" in ranked.words()
    assert "1 relabelled · 0 excluded · 0 confirmed" in ranked.words()
    assert "7 patches by rank" in ranked.words()  # the undecided ones
    assert "made before the latest decisions" in ranked.words()
    assert "Label :red[**tumour**] by decision (normal in the data)" in ranked.words()
    ranked.click("Exclude")
    assert decisions_of(str(folder))["d"].kind == "exclude"
    assert "Label :green[**normal**]" in ranked.words()
    assert "Normal **4 → 3**" in ranked.words()
    ranked.click("Undo")
    assert decisions_of(str(folder)) == {"d": Decision("relabel", 1)}
    ranked.click("Undo")
    assert decisions_of(str(folder)) == {}
    assert "Undo" not in ranked.labels()


def test_decided_patches_have_a_view_of_their_own(ranked: Page, folder: Path) -> None:
    decide(str(folder), {"d": Decision("exclude"), "h": Decision("fine"), "a": Decision("fine")})
    ranked.run()
    ranked.set("errors_show", "decided")
    assert "3 patches by rank" in ranked.words()
    assert "0 relabelled · 1 excluded · 2 confirmed" in ranked.words()
    ranked.set("errors_show", "all")
    assert "8 patches by rank" in ranked.words()


def test_a_new_decision_counts_on_the_other_views_at_once(ranked: Page, folder: Path) -> None:
    ranked.open(open="h")
    ranked.click("Exclude")
    ranked.set("browse_view", "Patches")
    assert "Tumour · 3\n" in ranked.words()
    assert open_dataset(folder).class_counts() == (4, 3)
